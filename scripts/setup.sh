#!/usr/bin/env bash
# Creates .venv and installs what Pipfile.lock pins, unless that is done already.
# PYTHON=/path/to/python3.13 chooses the interpreter; otherwise the newest of 3.13, 3.12, 3.11 is found.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/with_lock.sh

works() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        works "$PYTHON" && echo "$PYTHON" && return
        echo "PYTHON=$PYTHON is not Python 3.11, 3.12 or 3.13 with the venv module." >&2
        exit 1
    fi
    local version candidate
    for version in 3.13 3.12 3.11; do
        for candidate in "python$version" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version".*/bin/python3 \
            "$(pyenv root 2>/dev/null || true)/versions/$version".*/bin/python3; do
            if works "$candidate"; then echo "$candidate"; return; fi
        done
    done
    if works python3; then echo python3; return; fi
    {
        echo "Python 3.11, 3.12 or 3.13 with the venv module is needed, but was not found."
        echo "  Debian, Ubuntu: sudo apt-get install python3 python3-venv"
        echo "  macOS:          brew install python@3.13"
        echo "Or choose one: make setup PYTHON=/path/to/python3.13"
    } >&2
    exit 1
}

# A .venv whose creation was interrupted may have a python but no pip; the programs of one that was moved do not
# start, since they name its old place.
usable() {
    .venv/bin/python -c 'import sys, pip; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null &&
        grep -qF "$(cd .venv && pwd -P)/" .venv/bin/pip 2>/dev/null
}

if [ -z "${PYTHON:-}" ] && usable; then
    python=.venv/bin/python
else
    python=$(find_python)
fi
wanted="$(cksum <Pipfile.lock) $("$python" -c 'import sys; print(*sys.version_info[:3])')"
installed() {
    [ "$(cat .venv/.installed 2>/dev/null || true)" = "$wanted" ] && cmp -s scripts/catalog.sh .venv/bin/catalog && usable
}
if installed; then exit 0; fi

acquire_lock .venv.lock "make setup"
if installed; then exit 0; fi
if [ "$python" != .venv/bin/python ]; then
    echo "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "Installing what Pipfile.lock pins (a few minutes the first time)"
.venv/bin/python scripts/install_locked.py packages synth catalog dev-packages
cp scripts/catalog.sh .venv/bin/catalog
echo "$wanted" >.venv/.installed

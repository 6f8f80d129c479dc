#!/usr/bin/env bash
# Installs a tool, as a file of scripts/lock_tool.py pins it, into a virtual environment below .local, unless that
# is done already:
#   bash scripts/tool_venv.sh "the AWS emulator" local/deploy/emulator.txt .local/emulator
# PYTHON=/path/to/python3.13 chooses the interpreter, which must be 3.13: the pins are for it. Exits with 3 if this
# machine has none, or if pip cannot reach its index.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/with_lock.sh
tool=$1
requirements=$2
folder=$3
venv=$folder/venv
stamp=$venv/.installed
missing=3

works() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} .venv/bin/python python3.13 \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/3.13".*/bin/python3 \
        "$(pyenv root 2>/dev/null || true)/versions/3.13".*/bin/python3; do
        if works "$candidate"; then echo "$candidate"; return; fi
    done
    echo "Python 3.13 with the venv module is needed, but was not found; choose one: PYTHON=…" >&2
    exit $missing
}

wanted="$(cksum <"$requirements") $(uname -m)"
installed() { [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && works "$venv/bin/python"; }
if installed; then exit 0; fi

python=$(find_python)
mkdir -p .local
acquire_lock "$folder.lock" "installation of $tool"
if installed; then exit 0; fi
echo "Installing $tool into $venv (half a minute the first time)"
# Recreated, since an interrupted installation may have left something; from the base interpreter, since .venv
# may be deleted and recreated.
rm -rf "$venv"
base=$("$python" -c 'import os, sys; print(os.path.join(sys.base_prefix, "bin", "python3.13"))')
if ! works "$base"; then base=$python; fi
"$base" -m venv "$venv"
log=$folder/installation.log
if ! "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
    --only-binary :all: --requirement "$requirements" >"$log" 2>&1; then
    cat "$log" >&2
    if grep -q "DO NOT MATCH THE HASHES" "$log"; then exit 1; fi
    echo "pip could not install $tool; see its error above. Can the package index be reached?" >&2
    exit $missing
fi
echo "$wanted" >"$stamp"

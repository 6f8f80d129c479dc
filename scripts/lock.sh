#!/usr/bin/env bash
# Resolves Pipfile into Pipfile.lock with pipenv, in a temporary folder. Lock with the oldest Python you can
# (LOCK_PYTHON=/path/to/python3.11): otherwise, packages that only older versions need are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${LOCK_PYTHON:-$([ -x /usr/bin/python3.11 ] && echo /usr/bin/python3.11 || command -v python3.11 || command -v python3)}
"$python" -m venv "$work/pipenv"
"$work/pipenv/bin/pip" --disable-pip-version-check install --quiet pipenv==2026.10.3
cp Pipfile "$work/"
(
    cd "$work"
    export PIPENV_IGNORE_VIRTUALENVS=1 PIPENV_VENV_IN_PROJECT=1
    "$work/pipenv/bin/pipenv" lock --python "$python" --categories "packages synth catalog dev-packages"
)
cp "$work/Pipfile.lock" Pipfile.lock
"$python" scripts/strip_lock_indexes.py
echo "Pipfile.lock is new; run: make setup test"

#!/usr/bin/env bash
# Checks GitHub's workflows, or the files that are named, with jactionlint: a fork of actionlint whose wheels
# contain the program. Exits with 3 if it cannot be installed here.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/tool_venv.sh jactionlint scripts/jactionlint.txt .local/jactionlint
if [ $# = 0 ]; then set -- .github/workflows/*.yml; fi
# The same on every machine: no settings of a person, and no shellcheck, which only some have. Its own status 3,
# an error, must not look like "cannot be installed".
env -i PATH="$PATH" .local/jactionlint/venv/bin/jactionlint --shellcheck= --pyflakes= --strict-exit "$@" || exit 1

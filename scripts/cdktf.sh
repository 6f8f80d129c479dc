#!/usr/bin/env bash
# Runs the cdktf CLI that package-lock.json pins, on .venv's Python and Node:
#   bash scripts/cdktf.sh synth | list | diff dev-stack | deploy dev-stack | …
# Nothing is sent anywhere but to what Terraform itself talks to.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/node_modules.sh

# cdktf.json says `python`, and cdktf looks for terraform.
PATH="$PWD/.venv/bin:$PATH"
# Usage statistics (HashiCorp's name for all its tools), and the search for newer versions of cdktf.
export PATH CHECKPOINT_DISABLE=1 DISABLE_VERSION_CHECK=1

# A terminal gets cdktf's spinner and colours; a log would get a line for each turn of the spinner.
if [ ! -t 1 ]; then export CI="${CI:-1}" FORCE_COLOR="${FORCE_COLOR:-0}"; fi

# Terraform's plugin cache, which cdktf makes in the home for every command, is of no use to those that start no
# provider; whoever has no home to write to still gets an answer.
case "${1:-}" in synth | list) export CDKTF_DISABLE_PLUGIN_CACHE_ENV=1 ;; esac

exec "$(.venv/bin/python -c 'from stacks.provider_binding import bundled_node as node; print(node() or "node")')" \
    node_modules/cdktf-cli/bundle/bin/cdktf "$@"

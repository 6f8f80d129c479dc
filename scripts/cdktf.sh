#!/usr/bin/env bash
# Runs the cdktf CLI that package-lock.json pins, on .venv's Python and Node:
#   bash scripts/cdktf.sh synth | list | diff dev-stack | deploy dev-stack | …
# Nothing is sent anywhere except to what Terraform itself connects to.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/node_modules.sh

# cdktf.json runs `python`, and cdktf searches the path for terraform.
PATH="$PWD/.venv/bin:$PATH"
# Usage statistics (HashiCorp's name for all its tools), and the search for newer versions of cdktf.
export PATH CHECKPOINT_DISABLE=1 DISABLE_VERSION_CHECK=1

# cdktf's spinner and colours are for a terminal: in a log, each turn of the spinner would be a line.
if [ ! -t 1 ]; then export CI="${CI:-1}" FORCE_COLOR="${FORCE_COLOR:-0}"; fi

# For every command cdktf creates Terraform's plugin cache in the home directory. These start no provider, and
# without the cache they work even if there is no writable home.
case "${1:-}" in synth | list) export CDKTF_DISABLE_PLUGIN_CACHE_ENV=1 ;; esac

exec "$(.venv/bin/python -c 'from stacks.provider_binding import bundled_node as node; print(node() or "node")')" \
    node_modules/cdktf-cli/bundle/bin/cdktf "$@"

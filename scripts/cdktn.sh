#!/usr/bin/env bash
# Installs CDK Terrain in a separate virtual environment, and compares the stacks that it synthesizes with cdktf's.
# Exits with 3 if it cannot be installed here.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/tool_venv.sh "CDK Terrain" terraform_cli/cdktn.txt .local/cdktn
.venv/bin/python -m terraform_cli.cdktn || exit 1

#!/usr/bin/env bash
# Installs checkov, which `make audit` runs.
exec bash "$(dirname "$0")/tool_venv.sh" checkov terraform_cli/checkov.txt .local/checkov

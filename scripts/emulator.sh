#!/usr/bin/env bash
# Installs the AWS emulator of `make deploy-local`. It runs Lambda's layer, which is built for Python 3.13.
exec bash "$(dirname "$0")/tool_venv.sh" "the AWS emulator" local/deploy/emulator.txt .local/emulator

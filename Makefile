# Every command a person needs, one word each. GNU make 3.81 and bash 3.2 are enough.
SHELL := /bin/bash
BIN := .venv/bin
KEEP ?=

.PHONY: help setup local test check format synth lock clean

help: ## list these words
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and install what Pipfile.lock pins (PYTHON=… chooses the interpreter)
	@bash scripts/setup.sh

local: setup ## run the whole pipeline on this machine and judge it (KEEP=1 leaves it running)
	@$(BIN)/python -m local run $(if $(KEEP),--keep)

test: setup ## run all tests
	@$(BIN)/python -m pytest

check: setup ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

synth: setup ## write the stacks' Terraform to cdktf.out
	@rm -rf cdktf.out
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python main.py
	@echo "cdktf.out/stacks:" $$(ls cdktf.out/stacks)

lock: ## resolve Pipfile anew into Pipfile.lock (with the oldest Python, so that its extra needs are in)
	@bash scripts/lock.sh

clean: ## remove what was made here, .venv too
	@rm -rf .venv .venv.lock .local cdktf.out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

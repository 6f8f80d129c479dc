# Every command that a person needs. Works with GNU make 3.81 and bash 3.2.
SHELL := /bin/bash
BIN := .venv/bin
DIST ?= dist
ENV ?=
KEEP ?=
MINUTES ?= 60
ONCE ?=
ONLY ?=
QUICK ?=
SAMPLE ?=
SEED ?= 1
HISTORIES ?= 1000
RECORDS ?= 100000
STACK ?= dev-stack
TAG ?=
RECORDS_PER_DAY ?= 1000000

.PHONY: help setup local console test coverage check format lint-workflows audit vulnerabilities misconfigure package wheel sbom release synth validate cost preflight key-policy bootstrap diff drift deploy destroy deploy-local cdktn provider-lock simulate simulate-long faults faults-long outages soak hostile hostile-long mutants bench bench-gate bench-synth profile docs pictures recordings lock clean

##@ begin

help: ## list these commands
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {print before substr($$0, 5) ":"; before = "\n"} \
	    /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: ## create .venv and install what Pipfile.lock pins (PYTHON=… chooses the interpreter)
	@bash scripts/setup.sh

local: setup ## run the whole pipeline on this machine and print a verdict (KEEP=1 leaves it running)
	@$(BIN)/python -m local run $(if $(KEEP),$(if $(filter 1,$(KEEP)),--keep,$(error KEEP is '$(KEEP)'; accepted: 1)))

console: setup ## serve a page that shows the kept run, or an environment, as it runs (ENV=dev; default: the kept run)
	@$(BIN)/catalog console $(if $(ENV),--env "$(ENV)")

##@ check a change

test: setup ## run all tests, on up to four cores
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Without the tests that cut, delay or kill: measuring slows them, and they wait in real time.
COVERED := tests/unit tests/contract $(addprefix tests/integration/test_,database.py handler.py migrate.py \
	reader.py slow_database.py tls.py)

coverage: setup ## print the branch coverage of processor/ by the unit, contract and fast integration tests
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --quiet $(COVERED)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: setup ## check format, lint, types and imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## format the code and fix what can be fixed automatically
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

lint-workflows: setup ## check the workflows in .github with jactionlint
	@bash scripts/lint_workflows.sh

audit: setup ## scan every stack with checkov; what it may find is in terraform_cli/accepted_findings.toml
	@$(BIN)/python -m terraform_cli audit

vulnerabilities: setup ## ask OSV whether a package that Lambda runs has a known vulnerability
	@$(BIN)/python -m lambda_packages.vulnerabilities

misconfigure: setup ## try misconfigured stacks: a test must catch each (SAMPLE=n: only n, others every day)
	@$(BIN)/python -m tests.misconfigurations $(if $(SAMPLE),--sample $(SAMPLE))

##@ build and release

package: setup ## build Lambda's deployment packages into dist: the code, and a layer for each architecture
	@$(BIN)/python -m lambda_packages

wheel: setup ## build the shop's reader and `catalog` as a wheel into dist (DIST=… chooses another directory)
	@SOURCE_DATE_EPOCH=315532800 $(BIN)/python -m hatchling build --target wheel --directory $(DIST)

sbom: setup ## write the packages that Lambda runs, and the wheel's, to dist/sbom.cdx.json and dist/sbom-wheel.cdx.json
	@$(BIN)/python -m lambda_packages.sbom

release: setup ## build what a release attaches into dist/release, twice: the bytes must be the same (TAG=…: must be that of the version)
	@bash scripts/release.sh "$(TAG)"

##@ deploy

.PHONY: ready
ready: setup
	@$(BIN)/python -m terraform_cli ready "$(STACK)"

synth: setup ## write the stacks' Terraform to cdktf.out (`cdktf synth`)
	@rm -rf cdktf.out
	@bash scripts/cdktf.sh synth
	@echo "cdktf.out/stacks:" $$(ls cdktf.out/stacks)

validate: setup ## check every stack with Terraform and its AWS provider
	@$(BIN)/python -m terraform_cli validate

cost: setup ## print what STACK costs a month for RECORDS_PER_DAY, by AWS's list prices (default: every stack)
	@$(BIN)/python -m costs $(if $(filter file,$(origin STACK)),,$(STACK)) --records-per-day "$(RECORDS_PER_DAY)"

preflight: setup ## ask the account whether STACK can be deployed: quotas, zones, names, the state's bucket
	@$(BIN)/python -m preflight "$(STACK)"

key-policy: setup ## print the policy that the key of STACK needs (encryption_key_arn)
	@$(BIN)/python scripts/key_policy.py "$(STACK)"

bootstrap: setup ## make the bucket for the state, and roles for workflows, after showing the plan and asking
	@CATALOG_BOOTSTRAP=1 bash scripts/cdktf.sh deploy bootstrap-stack

diff: ready package ## show what a deploy of STACK would change, and fail if it is anything (default: STACK=dev-stack)
	@$(BIN)/python -m terraform_cli plan "$(STACK)"

drift: ready package ## the same for a schedule: print only what changed, and leave the state unlocked
	@$(BIN)/python -m terraform_cli plan --drift "$(STACK)"

deploy: ready package ## deploy STACK, after showing the plan and asking
	@bash scripts/cdktf.sh deploy "$(STACK)"

destroy: ready ## destroy STACK, after showing the plan and asking
	@bash scripts/cdktf.sh destroy "$(STACK)"

deploy-local: setup ## deploy dev-stack to an emulator, send an update, destroy; then again (ONCE=1: only once)
	@$(BIN)/python -m local deploy $(if $(ONCE),$(if $(filter 1,$(ONCE)),--once,$(error ONCE is '$(ONCE)'; accepted: 1)))

cdktn: setup ## synthesize every stack with CDK Terrain too, the fork of cdktf: the output must be the same
	@bash scripts/cdktn.sh

provider-lock: setup ## write the hashes of the AWS provider to .terraform.lock.hcl (needs Terraform's registry, or a mirror)
	@$(BIN)/python -m terraform_cli lock

##@ break it

simulate: setup ## run HISTORIES drawn histories from SEED on in a simulated world, and check I1 to I6 (default: 1000, 1)
	@$(BIN)/python -m reliability simulate --seed "$(SEED)" --histories "$(HISTORIES)"

simulate-long: setup ## the same for an hour on two cores, with other histories each day
	@$(BIN)/python -m reliability simulate --seed "$$(date +%Y%m%d)000000" --minutes 60

faults: setup ## run drawn histories on real servers that are killed, stopped and cut off, in a few minutes
	@$(BIN)/python -m reliability faults --seed "$(SEED)" --histories 100

faults-long: setup ## the same for 2,000 histories, which take an hour, with others each day
	@$(BIN)/python -m reliability faults --seed "$$(date +%Y%m%d)0000" --histories 2000

outages: setup ## take Redis and PostgreSQL away under load, and rotate a password; what follows, and timelines in .local
	@for kind in redis postgres password; do $(BIN)/python -m reliability outage $$kind || exit 1; done

soak: setup ## run for MINUTES under load while faults come and go: memory, connections, tables must not grow (default: 60)
	@$(BIN)/python -m reliability soak --minutes "$(MINUTES)"

hostile: setup ## judge what the processor makes of RECORDS hostile records from SEED on (default: 100000, 1)
	@$(BIN)/python -m reliability hostile --seed "$(SEED)" --records "$(RECORDS)"

hostile-long: setup ## the same for ten million, others each day: about an hour on two cores
	@$(BIN)/python -m reliability hostile --seed "$$(date +%Y%m%d)" --records 10000000

mutants: setup ## put each deliberate defect into a copy of the code: it must be caught (ONLY=word: those named so)
	@$(BIN)/python -m reliability defects --only "$(ONLY)"

##@ measure

.PHONY: peers
peers: setup
	@bash scripts/tool_venv.sh "what the benchmarks compare with" benchmarks/requirements.txt .local/benchmarks
	@bash scripts/tool_venv.sh dlt benchmarks/requirements-dlt.txt .local/benchmarks-dlt

bench: peers ## measure the processor beside its peers, in 15 minutes (QUICK=1: in 3, and change no document)
	@$(BIN)/python -m benchmarks $(if $(QUICK),$(if $(filter 1,$(QUICK)),--quick,$(error QUICK is '$(QUICK)'; accepted: 1)))

bench-gate: setup ## fail if the processor takes more CPU time, beside the bulk work, than benchmarks/results.json says
	@$(BIN)/python -m benchmarks.gate

bench-synth: setup ## measure what bypassing the provider binding's __init__ saves
	@$(BIN)/python scripts/bench_synth.py

profile: peers ## draw a flame graph of large batches into .local/benchmarks/profile.svg
	@$(BIN)/python -m benchmarks.profile

##@ write what is generated

docs: setup ## write the tables of the documents that come from the code, and the reference of `catalog`
	@$(BIN)/python scripts/rejection_reasons.py
	@$(BIN)/python scripts/catalog_reference.py

pictures: setup ## draw the architecture from the synthesized stacks, and the benchmarks' plots from their results
	@$(BIN)/python -m pictures

recordings: setup ## record `make local` and `catalog explain` as pictures, in two minutes
	@$(BIN)/python -m pictures.recordings

lock: ## resolve Pipfile into Pipfile.lock (with the oldest Python, which needs extra packages)
	@bash scripts/lock.sh

clean: ## delete everything that these commands created, .venv too
	@rm -rf .venv .venv.lock node_modules node_modules.lock .local cdktf.out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

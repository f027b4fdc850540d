# The front door. `make` alone prints what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UV = $(or $(wildcard $(BIN)/uv),uv)

LIBS := contracts chassis client devkit
SERVICES := $(patsubst services/%/pyproject.toml,%,$(wildcard services/*/pyproject.toml))
PACKAGES := $(LIBS:%=libs/%) $(SERVICES:%=services/%)
LOCKS := dev mongod mail-sink provision $(SERVICES)
# What is locked beside requirements/NAME.in: for development and provisioning every service, for an image its own.
locked_for = $(if $(filter dev provision,$1),requirements/$1.in $(SERVICES:%=services/%/pyproject.toml),$(if $(filter $1,$(SERVICES)),\
	requirements/service.in services/$1/pyproject.toml,requirements/$1.in))
FAST_TESTS := $(wildcard libs/*/tests/unit services/*/tests/unit tests/contract tests/architecture tests/*/unit)
# Some cases of every kind, with shorter waits: a part of `make test LONG=1`.
SHORT_FAULTS := $(patsubst %,tests/faults/test_%.py,crash_points kill infrastructure soak)

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults upgrade profile bench up down check static fast unit anyday fmt lock record clean
# Tests start Python by the hundred: what it compiles is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

help: ## print this
	@echo 'Touchstone: a submitted audit becomes a certificate and its notices.'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo 'Needs Python 3.11 to 3.13 (PYTHON=... picks one), make and git. RabbitMQ and MongoDB are found or started:'
	@echo 'AMQP_URI and MONGO_URI, else Docker, else native processes; TOUCHSTONE_BACKING=environment|docker|native forces one.'

setup: $(STAMP) ## make .venv with everything that is locked, and our packages

$(STAMP): requirements/dev.txt $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "make: Touchstone needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is" \
	    "$$(command -v '$(PYTHON)' >/dev/null && $(PYTHON) --version 2>&1 || echo 'not there')."; \
	  echo "      Name one: make PYTHON=python3.11 ..."; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make virtual environments. Debian, Ubuntu: apt-get install python3-venv;"; \
	  echo "      or name a Python that can: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@echo '== .venv: locked packages, checked against their hashes'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo '== .venv: our packages'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index \
	  $(PACKAGES:%=-e ./%)
	@touch $@

demo: $(STAMP) ## the main job, start to end, on real servers: audits become certificates and notices
	@$(BIN)/python -m touchstone_devkit.demo

test: $(STAMP) ## a short test of every guarantee, on real servers; LONG=1: the long ones, too
	@$(if $(LONG),TOUCHSTONE_LONG=1) $(BIN)/python tests/run_all.py

faults: $(STAMP) ## let every fault strike and check that nothing is lost: CASES='broker/*' SEED=n, RUNS=n for soaks; SHORT=1
ifdef SHORT
	@TOUCHSTONE_LONG=1 $(BIN)/python -m pytest -q $(SHORT_FAULTS)
else
	@$(BIN)/python -W ignore tests/faults $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(CASES),--cases '$(CASES)')
endif

upgrade: $(STAMP) ## restart each service in every mix of two releases, under load; make test runs a part of it
	@TOUCHSTONE_UPGRADE=every-mix $(BIN)/python -m pytest -q tests/upgrade

profile: $(STAMP) ## show where the time of one audit goes, as a page with waterfalls and flame graphs: AUDITS=100 SUBMITTERS=16
	@$(BIN)/python -W ignore -m touchstone_devkit.profiling $(if $(AUDITS),--audits $(AUDITS)) \
	  $(if $(SUBMITTERS),--submitters $(SUBMITTERS))

bench: $(STAMP) ## measure against the peers, some hours; QUICK=1: under ten minutes; ONLY=rpc,latency ROUNDS=n AUDITS=n
	@ROUNDS='$(ROUNDS)' AUDITS='$(AUDITS)' $(BIN)/python -W ignore -m bench.command $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

up: $(STAMP) ## start the system and leave it running
	@$(BIN)/python -m touchstone_devkit.system.up

down: ## stop what `make up` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m touchstone_devkit.system.down; else echo 'nothing is up'; fi

check: $(STAMP) ## lint, format, types, contract, architecture and unit tests: no broker, under a minute
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target static fast

static: $(STAMP)
	@echo '== ruff check' && $(BIN)/ruff check .
	@echo '== ruff format' && $(BIN)/ruff format --check .
	@echo '== mypy' && $(BIN)/mypy
	@echo '== import-linter' && $(BIN)/lint-imports

fast: $(STAMP)
	@echo '== unit, contract and architecture tests' && TOUCHSTONE_EXAMPLES=0.1 $(BIN)/python tests/run_all.py -q -m 'not other_pythons' $(FAST_TESTS)

unit: $(STAMP) ## unit tests alone
	@TOUCHSTONE_EXAMPLES=0.3 $(BIN)/python -m pytest -q $(wildcard libs/*/tests/unit services/*/tests/unit)

anyday: $(STAMP) ## unit tests on 29 February, at New Year and in December, in far time zones; ALSO='python ...' takes a day
	@TOUCHSTONE_EXAMPLES=0.3 $(BIN)/python tests/any_day.py $(ALSO:%=--also %)

fmt: $(STAMP) ## format, and repair what ruff can
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

lock: $(LOCKS:%=lock-%) ## remake requirements/*.txt from requirements/*.in and the packages

lock-%:
	@command -v $(UV) >/dev/null || { echo 'make: there is no uv yet: make setup'; exit 2; }
	@echo '== requirements/$*.txt'
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links $(addprefix --no-emit-package touchstone-,$(LIBS) $(SERVICES)) \
	  $(call locked_for,$*) -o requirements/$*.txt

record: $(STAMP) ## write down what a release promises its neighbours: VERSION=0.2.0 (see CONTRIBUTING.md)
	@$(BIN)/python -W ignore -m touchstone_devkit.releases $(VERSION)

clean: down ## remove everything that was made here: .venv, downloads, data, caches
	@docker compose down --volumes >/dev/null 2>&1 || true
	@rm -rf $(VENV) .touchstone .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

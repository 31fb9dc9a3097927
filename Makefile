# Every task of the project: `make help` lists them. A new Debian 12 machine needs only make; the rest installs itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The system's Python makes the environment, so that what is tested is what Debian 12 runs.
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python

# What the lab, the reports and the tests of the console run that PyPI does not have. PostgreSQL 15 is installed for the contract tests; the lab's default comes from PyPI.
PACKAGES := python3-venv iproute2 nftables openssh-server zookeeper default-jre-headless postgresql-15 haproxy pgbouncer spin gcc libc6-dev \
  prometheus chromium fonts-noto-cjk libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
MISSING := $(shell for p in $(PACKAGES); do dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done)

.PHONY: help
help:  ## list the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | column -t -s $$'\t'

.PHONY: system
system:  ## install the Debian packages that are missing (root)
ifneq ($(strip $(MISSING)),)
	@[ "$$(id -u)" = 0 ] || { echo "error: not root, and these packages are missing: $(MISSING)"; \
	  echo "  type: sudo apt-get install $(MISSING)"; exit 1; }
	@echo "installing: $(MISSING)"
	@mkdir -p /etc/postgresql-common && { [ -e /etc/postgresql-common/createcluster.conf ] || \
	  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; }
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(MISSING) \
	  > /tmp/drctl-apt.log 2>&1 || { tail -n 20 /tmp/drctl-apt.log; \
	  echo "error: apt-get could not install: $(MISSING)"; echo "  is the Debian registry reachable? type: apt-get update"; exit 1; }
endif

$(VENV)/.installed: requirements.lock pyproject.toml | system
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip -q --disable-pip-version-check install --require-hashes -r requirements.lock || { rm -rf $(VENV); \
	  echo "error: the packages of requirements.lock could not be installed"; \
	  echo "  is the Python registry reachable? type: $(PYTHON) -m pip download --no-deps -d /tmp click"; exit 1; }
	@$(BIN)/pip -q --disable-pip-version-check install --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: venv
venv: $(VENV)/.installed  ## make the Python environment from the lock file

.PHONY: demo
demo: venv  ## a center loses power, the laboratory goes on: the main job on real parts
	@exec $(PY) -m chaos demo

.PHONY: test
test: venv  ## every test: unit, contract, integration
	@exec $(PY) -m pytest

.PHONY: unit
unit: venv  ## the fast tests only
	@exec $(PY) -m pytest tests/unit -q

.PHONY: check
check: lint types imports dependencies docs house unit  ## every fast check

.PHONY: lint
lint: venv  ## style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

.PHONY: format
format: venv  ## put the style right
	@$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .

.PHONY: types
types: venv  ## types, strictly
	@$(BIN)/mypy

.PHONY: imports
imports: venv  ## who may import whom
	@$(BIN)/lint-imports

.PHONY: dependencies
dependencies: venv  ## declared and used dependencies agree
	@$(BIN)/deptry .

.PHONY: audit
audit: venv  ## known vulnerabilities in what the lock file pins
	@$(BIN)/pip-audit --require-hashes -r requirements.lock

.PHONY: house
house: venv  ## the house rules that no other tool checks
	@$(PY) -m pytest tests/house -q

.PHONY: docs
docs: venv  ## the documentation as pages in build/docs, strictly: a warning is an error
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky docs build/docs

.PHONY: reference
reference: venv  ## write docs/reference anew from the code
	@$(PY) -m docs.generate

.PHONY: coverage
coverage: venv  ## how much of the code the fast tests run, by branch
	@$(BIN)/coverage run -m pytest tests/unit -q && $(BIN)/coverage report

.PHONY: lock
lock: venv  ## pin the dependencies anew
	@$(BIN)/uv pip compile -q --upgrade --generate-hashes --python-version 3.11 --group dev pyproject.toml -o requirements.lock

.PHONY: simulate
simulate: venv  ## the real controllers in a simulated hospital: SEED= tells one story, SCHEDULES= runs many
	@exec $(PY) -m chaos.simulation $(if $(SEED),--seed $(SEED),--schedules $(or $(SCHEDULES),1000))

.PHONY: model
model: venv  ## the protocol as a model, checked exhaustively, and its mutants
	@exec $(PY) -m chaos.model

.PHONY: bench
bench: venv  ## how long outages are as clients see them, with drctl and with Patroni: each fault nine times, a table and build/bench.json (hours)
	@exec $(PY) -m chaos bench

.PHONY: chaos
chaos: venv  ## every scenario of P0 on real parts; the report is in build/chaos (root, under 40 minutes)
	@exec $(PY) -m chaos run --tag p0

.PHONY: matrix
matrix: venv  ## the leader dies before, dies after, or sleeps before every effect of a failover and a switchover (root)
	@exec $(PY) -m chaos matrix

.PHONY: controls
controls: venv  ## take one rule of the protocol after the other out of drctl: the scenario that stands for it must fail (root)
	@exec $(PY) -m chaos controls

.PHONY: clean
clean:  ## remove what the tasks made in the checkout
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

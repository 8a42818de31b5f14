# Breakwater. `make help` lists the targets; nothing needs an activated environment.
# Needs make and Python 3.11 or 3.12. Targets that start a node also need Node.js 20.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ROOT := $(CURDIR)
VENV := .venv
BIN := $(VENV)/bin
PY_STAMP := $(VENV)/.installed
NODE_STAMP := node_modules/.installed
WORKERS ?= 2
ARGS ?=
# Not here: NTX4, NTX5 (take calls out and lock checks for nothing), NTX8 (wants loop counters used),
# NTX9 (Timelock is snekmate's interface), NTX10 (callbacks have arguments), NTX11 and NTX12 (want
# underscores and no @internal). Modules that use others do not compile alone. A mock that batches calls has the largest memory frame.
NATRIX_OFF := NTX4 NTX5 NTX8 NTX9 NTX10 NTX11 NTX12
NATRIX_RULES := MemoryExpansion.max_frame_size=40000

# ape-vyper looks for `vyper` on PATH, ape-foundry for `anvil`.
export PATH := $(ROOT)/node_modules/.bin:$(ROOT)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(ROOT)/$(VENV)

.PHONY: help setup node demo test fuzz coverage mutate lint format sizes bench bench-fuzz devnet docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(PY_STAMP) ## Make .venv from requirements.lock

node: $(NODE_STAMP) ## Install anvil, forge and the foreign contracts used in tests

$(PY_STAMP): requirements.lock pyproject.toml
	@python=""; \
	for candidate in "$${PYTHON:-}" python3.12 python3.11 python3 python; do \
	  [ -n "$$candidate" ] || continue; \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	    >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or 3.12 is needed (or set PYTHON=/path/to/python)" >&2; exit 1; fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	  >/dev/null 2>&1; then rm -rf $(VENV); "$$python" -m venv $(VENV); fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-build-isolation --no-deps -e .
	@touch $@

$(NODE_STAMP): package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "Node.js 20 with npm is needed for this target" >&2; exit 1; }
	npm ci --ignore-scripts --loglevel=error
	@touch $@

demo: $(PY_STAMP) ## Replay a crash on the whole protocol, in process: no node needed
	$(BIN)/breakwater demo $(ARGS)

test: $(PY_STAMP) $(NODE_STAMP) ## All tests (ARGS="tests/unit -k borrow" for some)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(PY_STAMP) ## Formatters, linters, types, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy breakwater
	$(BIN)/python -m breakwater.codegen --check
	$(BIN)/mamushi --quiet --check --safe False --line-length 100 contracts
	$(BIN)/natrix lint --rule-config $(NATRIX_RULES) --disable $(NATRIX_OFF) -- \
	  $(wildcard contracts/*.vy contracts/feeds/*.vy contracts/periphery/*.vy contracts/mocks/*.vy)

format: $(PY_STAMP) ## Rewrite sources in the project's format
	$(BIN)/python -m breakwater.codegen
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mamushi --quiet --line-length 100 contracts

sizes: $(PY_STAMP) ## Runtime size of every contract, against the limit
	$(BIN)/breakwater sizes $(ARGS)

bench: $(PY_STAMP) $(NODE_STAMP) ## Gas of every operation on anvil
	$(BIN)/breakwater bench $(ARGS)

fuzz: $(PY_STAMP) $(NODE_STAMP) ## Search for calls that break a promise (ARGS="--seconds 600")
	$(BIN)/breakwater fuzz $(ARGS)

coverage: $(PY_STAMP) ## Lines and branches of the contracts that campaigns and tests ran
	$(BIN)/breakwater coverage $(ARGS)

mutate: $(PY_STAMP) ## Change the contracts in small ways, see what notices (ARGS="--sample 200")
	$(BIN)/breakwater mutate $(ARGS)

bench-fuzz: $(PY_STAMP) $(NODE_STAMP) ## Speed of the fuzzer, and how soon it finds planted bugs
	$(BIN)/python -m benchmarks.fuzz $(ARGS)

devnet: $(PY_STAMP) $(NODE_STAMP) ## A local node with everything deployed
	$(BIN)/breakwater devnet $(ARGS)

docs: $(PY_STAMP) ## The documentation as a site, the reference made anew
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d .build/doctrees . .build/site
	@echo "open $(ROOT)/.build/site/index.html"

clean: ## Remove what was built, keep what was installed
	rm -rf .build docs/reference benchmarks/forge/build .pytest_cache .mypy_cache .ruff_cache .hypothesis

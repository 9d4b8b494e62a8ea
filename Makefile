# Every target makes the .venv it needs; python 3.11 or newer is all that has to be there.

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts pytest bench clean
.NOTPARALLEL:

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
# The stamps say which extras are in; a change of pyproject.toml installs again.
READY := .venv/.dev
BENCH_READY := .venv/.bench

PACKAGES := actors supervision temporal_bridge
PROGRAMS := $(wildcard tests examples benchmarks)

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## run the order example against a real, temporary Temporal server
	$(BIN)/python -m examples.orders

test: lint types contracts pytest  ## everything that must hold: lint, types, import contracts, tests

lint: $(READY)  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy and pyright, both strict
	$(BIN)/mypy $(PACKAGES) $(PROGRAMS)
	$(BIN)/pyright

contracts: $(READY)  ## who may import whom
	$(BIN)/lint-imports

pytest: $(READY)  ## the tests alone; pass ARGS="-k name" to choose
	$(BIN)/python -m pytest $(ARGS)

bench: $(BENCH_READY)  ## measure, and compare with peers
	$(BIN)/python -m benchmarks

clean:  ## remove the virtual environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Everproc needs Python 3.11 or newer, but PYTHON=$(PYTHON) is not." \
	       "Install one, or run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv

$(READY): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,embedded,testing]'
	@touch $@

$(BENCH_READY): pyproject.toml $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

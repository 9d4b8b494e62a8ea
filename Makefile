# Every target makes the .venv it needs; Python 3.11 or newer is all that has to be there.

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts docs pytest soak browser pictures bench format changelog clean
.NOTPARALLEL:

AT_LEAST_311 := import sys; sys.exit(sys.version_info < (3, 11))
# Tried, not looked up: a version manager's `python3.11` may be there and not run.
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c '$(AT_LEAST_311)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# A stamp says which extras are installed; a change of pyproject.toml installs again.
READY := .venv/.ready
BENCH_READY := .venv/.bench-ready
BROWSER_READY := .venv/.browser-ready

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(READY)  ## run the example of an order, against a temporary Temporal server of its own
	$(BIN)/python -m examples.orders

test: $(READY)  ## all that must hold: lint, types, contracts, the documentation, and the tests last
	@failed=; for step in lint types contracts docs pytest; do $(MAKE) --no-print-directory $$step || failed="$$failed $$step"; done; \
	if [ -n "$$failed" ]; then echo "make test: failed:$$failed" >&2; exit 1; fi

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)  ## mypy and pyright, both strict
	$(BIN)/mypy $(wildcard actors supervision temporal_bridge tests examples benchmarks)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

contracts: $(READY)  ## which package and module may import which
	$(BIN)/lint-imports --no-logo

docs: $(READY)  ## build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean -f .mkdocs.yml

pytest: $(READY)  ## only the tests; choose with ARGS="-k name"
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

soak: $(READY)  ## kill workers, nodes and the server under a load of numbered messages; longer with ARGS="--seconds 600"
	$(BIN)/python -m benchmarks.soak $(ARGS)

browser: $(BROWSER_READY)  ## try the observer's page in Chromium, which has to be there
	$(BIN)/python -m pytest tests/browser $(ARGS)

pictures: $(BROWSER_READY)  ## the same, and make the pictures of the documentation
	PICTURES=docs/img $(BIN)/python -m pytest tests/browser

bench: $(BENCH_READY)  ## measure, and compare with peers
	$(BIN)/python -m benchmarks

format: $(READY)  ## let ruff write the format and the safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

changelog: $(READY)  ## collect the fragments of a release: VERSION=0.1.0
	@test -n "$(VERSION)" || { echo 'make changelog: say which: VERSION=0.1.0' >&2; exit 1; }
	$(BIN)/towncrier build --yes --version $(VERSION)

clean:  ## remove the virtual environment and the caches
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist site

$(READY): pyproject.toml
	@"$(PYTHON)" -c '$(AT_LEAST_311)' 2>/dev/null || { \
	  echo 'Everproc needs Python 3.11 or newer; PYTHON="$(PYTHON)" is not. Try: make PYTHON=/path/to/python3.11' >&2; \
	  exit 1; }
	"$(PYTHON)" -m venv .venv
	$(PIP) install --editable '.[dev,embedded,testing]'
	@touch $@

$(BROWSER_READY): $(READY)
	$(PIP) install --editable '.[browser]'
	@touch $@

$(BENCH_READY): $(READY)
	$(PIP) install --editable '.[bench]'
	@touch $@

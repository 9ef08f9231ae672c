# Everything runs in .venv, made with the first python3 of at least 3.11 that is found; PYTHON=... chooses another.
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 60
SOAK_SEEDS ?= 2000
SOAK_EXAMPLES ?= 20000

.PHONY: help campaign test conformance lint soak bench docs clean

help:
	@echo "make campaign   install into $(VENV) and run the default campaign ($(SEEDS) seeds, under a minute)"
	@echo "make test       lint, then all tests"
	@echo "make conformance  500 drawn sequences of requests, and all stories, against real Kafka nodes"
	@echo "make lint       ruff, mypy --strict, import walls, docstrings, determinism"
	@echo "make soak       $(SOAK_EXAMPLES) small histories judged by every engine, then $(SOAK_SEEDS) seeds of each mode that were never run before"
	@echo "make bench      the figures that the README quotes"
	@echo "make docs       write the generated pages of docs/reference"

campaign: $(VENV)/.installed
	$(BIN)/fencepost campaign --mode kraft --seeds $(SEEDS)

test: lint
	$(BIN)/python -m pytest -n auto -q -rs

conformance: $(VENV)/.installed-dev
	FENCEPOST_CONFORMANCE=500 $(BIN)/python -m pytest -q tests/conformance

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy -p fencepost
	$(BIN)/lint-imports
	$(BIN)/interrogate -q checkers harness histories model nemesis benchmarks
	$(BIN)/python tests/support/determinism_lint.py model nemesis checkers
	$(BIN)/python -m fencepost.harness.reference --check docs/reference

soak: $(VENV)/.installed-dev
	FENCEPOST_SOAK_EXAMPLES=$(SOAK_EXAMPLES) $(BIN)/python -m pytest -q tests/test_linearizability_agreement.py
	$(BIN)/fencepost soak --mode kraft --seeds $(SOAK_SEEDS)
	$(BIN)/fencepost soak --mode zk --seeds $(SOAK_SEEDS)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-dev
	$(BIN)/python -m fencepost.harness.reference docs/reference

clean:
	rm -rf $(VENV) build dist store .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@python="$(PYTHON)"; \
	for candidate in python3 python3.13 python3.12 python3.11 python3.14; do \
	  test -n "$$python" && break; \
	  if $$candidate -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; \
	  fi; \
	done; \
	test -n "$$python" || { echo "make: no Python 3.11 or newer with venv was found; give one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	echo "$$python -m venv $(VENV)"; "$$python" -m venv $(VENV)

# The compiled search is built with the package (and again when its sources change); without a compiler it is left out.
NATIVE := $(wildcard checkers/linearizability/native/*.[ch])

$(VENV)/.installed: pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@touch $@ $(VENV)/.installed

# One command per need. Everything lives in .venv; stamps in it make later runs fast.
#
#   make demo      install, run the whole pipeline on shipped and generated orders, replay, compare
#   make test      install with the development tools, run the test suite in two processes (JOBS=1: in this one)
#   make lint      ruff: rules and format              make format   apply the format
#   make types     mypy, strict
#   make jit-off   tests marked jitoff as plain Python (NUMBA_DISABLE_JIT=1)
#   make bounds    tests marked jitoff or bounds, compiled with bounds checks (NUMBA_BOUNDSCHECK=1)
#   make kernels   compile all kernels, on two cores, unless that was done
#   make bench     the benchmarks; writes docs/benchmarks.md
#   make clean     remove .venv and caches of tools
#
# PYTHON=python3.12 make demo chooses another interpreter; PYTEST="-k name" passes options to pytest.

PYTHON ?= python3
PYTEST ?=
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
CODE := ringbuffer protocols journal stages gateway cli tests $(wildcard benchmarks tools)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install demo test lint format types jit-off bounds kernels bench clean

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

$(VENV)/created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "ringmatch: expected Python 3.11 or later, was %d.%d (choose one: make PYTHON=...)" % v[:2])'
	@echo "ringmatch: creating $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) || { echo "ringmatch: $(PYTHON) cannot create a virtual environment; is its venv package installed?" >&2; exit 1; }
	@touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml
	@echo "ringmatch: installing" >&2
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/created pyproject.toml
	@echo "ringmatch: installing with the development tools" >&2
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/installed $@

install: $(VENV)/installed

demo: $(VENV)/installed
	@$(BIN)/ringmatch demo

test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -q -n $(patsubst 1,0,$(JOBS)) $(PYTEST)

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check --quiet --output-format concise $(CODE)
	@$(BIN)/ruff format --quiet --check $(CODE) || { echo "ringmatch: expected the format that 'make format' gives; files that differ:" >&2; $(BIN)/ruff format --check $(CODE) >&2; exit 1; }

format: $(VENV)/installed-dev
	@$(BIN)/ruff format --quiet $(CODE)

types: $(VENV)/installed-dev
	@$(BIN)/mypy

jit-off: $(VENV)/installed-dev
	@NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -m 'jitoff and not bench' $(PYTEST)

bounds: $(VENV)/installed-dev
	@NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -q -m '(jitoff or bounds) and not bench' $(PYTEST)

kernels: $(VENV)/installed-dev
	@$(BIN)/python -c 'from tests.e2e.kernels import load_all_kernels; load_all_kernels()'

bench: $(VENV)/installed-dev
	@$(BIN)/ringmatch bench --write docs/benchmarks.md

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

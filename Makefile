# Everything runs in .venv, which `make setup` makes. Another interpreter: make PYTHON=/path/to/python3.12 setup

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

.PHONY: setup demo test check static format lint contracts types fix bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "presscell needs Python 3.11 or newer, and none is on PATH. Install one (Debian: apt install python3 python3-venv)," \
		"or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "presscell needs Python 3.11 or newer; $(PYTHON) is not." \
		"Name another: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version), once" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)
	@$(BIN)/presscell simulate rate_capability --cell config/cells/bm05.yaml

test: $(READY)
	@sh tests/support/need_mosquitto.sh
	@$(BIN)/pytest

check: static test

static: format lint contracts types

format: $(READY)
	@$(BIN)/ruff format --check -q

lint: $(READY)
	@$(BIN)/ruff check -q

contracts: $(READY)
	@$(BIN)/lint-imports --no-logo

types: $(READY)
	@$(BIN)/mypy

fix: $(READY)
	@$(BIN)/ruff check -q --fix
	@$(BIN)/ruff format -q

bench: $(READY)
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

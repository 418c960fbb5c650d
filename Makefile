# Everything runs in .venv, which `make setup` makes. Another interpreter: make PYTHON=/path/to/python3.12 setup

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

.PHONY: setup demo test check static format lint contracts types fix bench library interop campaign mutants clean

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
	@sh tests/support/need_tools.sh
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

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

# The whole daemon against the bench with a seeded schedule of faults: docs/reference/campaign.md
SEEDS ?= 1000
FIRST ?= 0
campaign: $(READY)
	@$(BIN)/python -m tests.campaign --seeds $(SEEDS) --first $(FIRST)

# Bugs planted one by one in a copy, each with the test that must catch it: tests/mutants/list.toml. make mutants ONLY=engine
ONLY ?=
mutants: $(READY)
	@$(BIN)/python -m tests.mutants --only "$(ONLY)"

bench: $(READY)
	@$(BIN)/python -m benchmarks

# The library's protocols at full length: cycle_life alone takes some minutes.
library: $(READY)
	@$(BIN)/python benchmarks/library.py

# Other people's programs read our exports and drive our simulators, each in an environment of its own. PyProBE needs Python 3.11 or 3.12.
INTEROP := $(VENV)/interop
INTEROP_NAMES := pyprobe batterydf-0.1 batterydf-0.2 hvl_ccb pylauda julabo labmcp_julabo huber pybamm \
	pymodbus minimalmodbus mettler_toledo_device labmcp_mettler_toledo pymeasure
INTEROP_PYTHON ?= $(shell command -v python3.11 || command -v python3.12)

interop: $(READY) $(INTEROP_NAMES:%=$(INTEROP)/%/.ready)
	@$(BIN)/python -m tests.interop.check $(INTEROP)
	@$(BIN)/python -m tests.interop.chillers $(INTEROP)
	@$(BIN)/python -m tests.interop.mills_and_scales $(INTEROP)
	@$(BIN)/python -m tests.interop.pybamm_agreement $(INTEROP)
	@$(BIN)/python -m tests.interop.potentiostat $(INTEROP)

$(INTEROP)/%/.ready: tests/interop/%.txt | $(READY)
	@test -n "$(INTEROP_PYTHON)" || { echo "make interop needs Python 3.11 or 3.12: make INTEROP_PYTHON=/path/to/it interop" >&2; exit 1; }
	@$(INTEROP_PYTHON) -m venv $(INTEROP)/$*
	@$(INTEROP)/$*/bin/python -m pip install -q -r $<
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The only entry points; continuous integration calls the same ones. Each does its own set-up and skips what is current.
#   MAINSTAY_DATA  data folder (default: var/ in this clone)      MAINSTAY_PORT  port of the web process (default: 8080)

SHELL := /bin/sh
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
# Two workers, each with engines of its own; a file stays with one of them.
WORKERS := -n 2 --dist loadfile
# What starts whole installations runs apart: a browser's driver and the database's tests cannot share a process, and waits need no engines.
WHOLE := tests/browser tests/journeys tests/crash tests/audit
PARTS := $(WHOLE:%=--ignore=%)
PYTEST := env -u MAINSTAY_DATA $(BIN)/python -m pytest
export MAINSTAY_DATA ?= $(CURDIR)/var

.PHONY: up test check demo demo-remove bench setup setup-dev python

up: setup
	@exec $(BIN)/mainstay up

# Both parts run, also when the first one fails: one run tells all.
test: setup-dev
ifdef TEST
	@$(PYTEST) $(TEST)
else
	@$(PYTEST) $(WORKERS) $(PARTS); parts=$$?; $(PYTEST) $(WORKERS) $(WHOLE) && exit $$parts
endif

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	env -u MAINSTAY_DATA $(BIN)/python tools/migrations.py

# A separate installation, so that nothing invented ever enters a real one.
demo demo-remove: export MAINSTAY_DATA := $(CURDIR)/var-demo
demo demo-remove: export MAINSTAY_PORT := 8090
demo: setup
	@exec $(BIN)/mainstay demo

demo-remove: setup
	@$(BIN)/mainstay demo --remove

bench: setup-dev
	@env -u MAINSTAY_DATA $(BIN)/python -m bench $(BENCH)

setup: python
	@$(PYTHON) tools/setup.py

setup-dev: python
	@$(PYTHON) tools/setup.py --dev

python:
	@test -n "$(PYTHON)" || { echo "Mainstay needs Python 3.11 or newer (with pip and venv); none was found." >&2; exit 1; }

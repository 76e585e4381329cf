# Every way to work on Countersign, one word each. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# What `make demo` reads from its environment; all may be left out.
export PORT
export RESET
export TEAMS
export DIRECTORY
# As many test workers as there are processors, up to four: each starts servers of its own.
WORKERS = -n auto --maxprocesses=4 --dist worksteal
# `required` turns a missing peer from a skipped test into a failure. CI sets it.
export PEERS

.PHONY: help env lock demo peers check test bench proof

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP) ## make .venv from the lock (does nothing while the lock is unchanged)

# The environment is rebuilt, not updated: a package that left the lock must leave the environment too.
# The stamp is written last, so an interrupted install is begun again. The lock names every package there is, so nothing
# is resolved: pip, asked to, prefers the newest release of a package some other package wants with an extra.
$(STAMP): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Countersign needs Python 3.11 or newer, and '$(PYTHON)' is not. Try: make $(or $(MAKECMDGOALS),env) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv from requirements-dev.lock (about a minute the first time)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --root-user-action=ignore \
	  --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

# Pins already in a lock are kept where they still fit; `make lock UPGRADE=1` moves them all to the newest.
# The development lock is held to the runtime one, so tests run the very versions that ship.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --annotation-style=line $(if $(UPGRADE),--upgrade)

lock: ## remake both locks from pyproject.toml (needs uv; UPGRADE=1 for the newest of everything)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock

demo: env ## a pretend company in a box (PORT=8080 chooses the port, RESET=1 starts it afresh, TEAMS=1 adds Teams, DIRECTORY=ldap or samba a real one)
	@$(BIN)/python app.py demo

peers: ## install the real software that tests run against (PEERS=required: fail where that is impossible)
	@tests/peers/install

check: env ## everything that needs no running: style, types, who imports whom, the house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/docs

# Written as steps and not as prerequisites, so that `make -j` cannot run the tests before the peers are there.
test: env ## check, then every test but the slow ones; the last lines name the peers that were missing
	@$(MAKE) --no-print-directory peers
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest $(WORKERS)

bench: env ## every benchmark, in its quick form
	@for program in $$(grep -l '^if __name__' bench/*.py); do echo "== $$program"; $(BIN)/python "$$program" --quick; done

proof: env ## every test, the slow ones and many more generated cases included
	@$(MAKE) --no-print-directory peers
	$(BIN)/pytest $(WORKERS) -m "slow or not slow" --hypothesis-profile=proof

# `make` alone lists the targets. Everything is installed into .venv, in the versions and with the hashes of the locks.

PYTHON ?= python3
UV     ?= uv

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
LOCK  = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command 'make lock'

# What is in .venv is remembered by two stamps; the developers' tools include what mailer itself needs.
RUNTIME := $(VENV)/.runtime-installed
DEV     := $(VENV)/.dev-installed

.DELETE_ON_ERROR:
.PHONY: help demo test torture fuzz bare check format manual lock build clean

help:
	@sed -n 's/^\([a-z]*\): [^#]*## /\1|/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r target does; do printf 'make %-8s %s\n' "$$target" "$$does"; done

demo: $(RUNTIME) ## set up, then turn the sample signatures into letters, in the throw-away instance demo/
	@$(BIN)/mailer demo

test: $(DEV) ## set up, then run the whole test suite; says which tests were left out, and why
	@echo 'Running the tests.'
	@$(BIN)/pytest -rs -n auto --dist loadfile

torture: $(DEV) ## kill it everywhere, an hour: every point, system call, sync; bad disks; a siege (TORTURE=part ...)
	@echo 'Torturing mailer.'
	@[ -n '$(TORTURE)' ] || MAILER_TORTURE=1 $(BIN)/pytest -q tests/test_sqlite tests/test_ledger_machine.py tests/torture
	@$(BIN)/python -m tests.torture $(TORTURE)

fuzz: $(DEV) ## compose 200,000 letters of real and hostile names and read each back (LETTERS=number), half an hour
	@$(BIN)/python -m tests.fuzz_letters $(or $(LETTERS),200000)

bare: $(DEV) ## install it on a bare Debian in a container, as the documents say, and see it work (root; MAILER_BARE=dir keeps)
	@$(BIN)/python -m tests.bare

check: $(DEV) ## the gate: format, lint, types, import contracts, tests
	@echo 'Checking the format.'
	@$(BIN)/ruff format --check --quiet .
	@echo 'Linting.'
	@$(BIN)/ruff check --quiet .
	@echo 'Checking types.'
	@$(BIN)/mypy
	@echo 'Checking the import contracts.'
	@$(BIN)/lint-imports --no-logo
	@echo 'Running the tests.'
	@$(BIN)/pytest -rs -n auto --dist loadfile

format: $(DEV) ## format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

manual: $(DEV) ## make the manual pages in man/ anew, from --help and the keys of the configuration
	@$(BIN)/mailer --quiet manual mailer >man/man1/mailer.1
	@$(BIN)/mailer --quiet manual mailer.yaml >man/man5/mailer.yaml.5

lock: ## make the locks anew from pyproject.toml (needs uv; LOCK_FLAGS=--upgrade for newer versions)
	@command -v $(UV) >/dev/null || \
	    { echo 'make lock needs uv: install it ("pipx install uv"), or name it: make lock UV=/path/to/uv' >&2; exit 1; }
	@echo 'Making the locks.'
	@$(LOCK) $(LOCK_FLAGS) pyproject.toml -o requirements.lock
	@$(LOCK) $(LOCK_FLAGS) --group build -c requirements.lock -o requirements-build.lock
	@$(LOCK) $(LOCK_FLAGS) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock \
	    -o requirements-dev.lock

build: $(DEV) ## build the sdist, and the wheel from it, into dist/
	@echo 'Building into dist/.'
	@$(BIN)/python -m build --no-isolation

clean: ## remove .venv, demo/, dist/ and all caches; never var/
	@rm -rf $(VENV) demo dist .coverage .coverage.* htmlcov
	@rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find mailer tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) $(VENV)
	@echo 'Installing what mailer needs into $(VENV).'
	@$(PIP) install --no-deps --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) $(VENV)
	@echo 'Installing what mailer and its developers need into $(VENV).'
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(RUNTIME) $@

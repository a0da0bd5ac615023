# Needs Python 3.11 or later and make; everything else is fetched, into .boot (uv) and .venv (the project).
PYTHON ?= python3
UV_VERSION := 0.13.9
ARGS ?=

BIN := .venv/bin
# `make run` alone installs no development tools, but it never takes away those that are there.
RUN_READY := $(if $(wildcard .venv/.ready-dev),.venv/.ready-dev,.venv/.ready-run)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore
# uv would fetch an interpreter from GitHub; the one that runs make's bootstrap is good enough.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
export UV_NO_PROGRESS := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
unexport VIRTUAL_ENV
unexport PYTHONPATH
unexport PYTHONHOME

.DELETE_ON_ERROR:
.PHONY: help run test test-long bench lint clean

help:
	@echo 'make run        start the demo: a small streaming service, its mails and its consents, on 127.0.0.1:8484'
	@echo 'make test       every check and the everyday tests (ARGS="-k word" goes to pytest)'
	@echo 'make test-long  the long tests: kills by the thousand, fuzzing, a fresh clone'
	@echo 'make lint       the checks without the tests: ruff, pyright, import contracts'
	@echo 'make bench      speed, memory and quality beside named ceilings'
	@echo 'make clean      remove .venv, .boot and caches; a home folder with data is left alone'

run: $(RUN_READY)
	@$(BIN)/postreel demo $(ARGS)

lint: .venv/.ready-dev
	@echo 'ruff: rules and layout'
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@echo 'pyright: types, and misuse that must not type-check'
	@$(BIN)/pyright
	@echo 'import-linter: who may lean on whom'
	@$(BIN)/lint-imports --no-logo

test: lint
	@echo 'pytest: the everyday tests'
	@$(BIN)/python -m pytest -m 'not long' $(ARGS)

test-long: .venv/.ready-dev
	@echo 'pytest: the long tests'
	@$(BIN)/python -m pytest -m long $(ARGS)

bench: .venv/.ready-dev
	@$(BIN)/python -m bench $(ARGS)

clean:
	@rm -rf .venv .boot .ruff_cache .hypothesis .import_linter_cache .pytest_cache dist
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'removed .venv, .boot and caches'

# The stamps below make a second run instant; a changed lock or pyproject.toml brings the environment up to date.

.boot/.ready-$(UV_VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Postreel needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
		echo 'Name another one: make PYTHON=python3.12' >&2; exit 1; }
	@echo 'making .boot, with uv $(UV_VERSION)'
	@$(PYTHON) -m venv .boot || { \
		echo 'python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@.boot/bin/python -m pip install -qq 'uv==$(UV_VERSION)' || \
		echo 'uv could not be installed; pip will do its work, more slowly'
	@touch $@

# $(1): what is installed, in words; $(2): options of uv sync. What pip does instead is whole in either case.
# The system's certificates are tried first, for networks with an authority of their own; a bare machine may have none.
define install
	@echo 'installing $(1) into .venv (a minute the first time)'
	@python=$$($(PYTHON) -c 'import sys; print(sys.executable)') && { \
	UV_SYSTEM_CERTS=1 .boot/bin/uv sync --quiet --frozen --python "$$python" $(2) 2>/dev/null || \
	.boot/bin/uv sync --quiet --frozen --python "$$python" $(2) || { \
		echo 'uv sync failed; installing from requirements.lock with pip instead'; \
		"$$python" -m venv .venv && \
		$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install -qq --no-deps --editable .; }; }
	@touch $@
endef

.venv/.ready-dev: .boot/.ready-$(UV_VERSION) uv.lock pyproject.toml
	$(call install,everything,)

.venv/.ready-run: .boot/.ready-$(UV_VERSION) uv.lock pyproject.toml
	$(call install,what running needs,--no-dev --inexact)

# Every step that a person or the checks take; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
LOCK := $(BIN)/pip-compile --quiet --no-config --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
	--no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --build-deps-for wheel

.PHONY: help setup demo serve test check bench lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install everything into .venv, checked against the lock's hashes; the command is .venv/bin/dosetrail

demo: setup ## follow 40 doses on real flights, from scan to signed alert; BREAK=drop|double|forge|mute plants a fault
	$(BIN)/dosetrail demo $(if $(BREAK),--break $(BREAK))

serve: setup ## run the service on http://127.0.0.1:8000 with SQLite
	$(BIN)/dosetrail serve

test: setup ## run the tests, on SQLite and on a private PostgreSQL
	$(BIN)/pytest -n 2

check: setup ## lint, format, types, layers and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

bench: setup ## measure the service beside its floors
	$(BIN)/python -m bench

lock: setup ## choose the versions anew from pyproject.toml: requirements.lock (to run), requirements-dev.lock (to work on it too)
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

# The stamp's date says when .venv last matched these two files. Nothing is resolved (--no-deps: the lock is whole, and pip 23 would look
# past it for `coverage[toml]` as soon as a newer coverage is out) or built in isolation: the lock holds the build's needs too.
$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Installing the locked packages into .venv (a minute or two the first time) …"
	@if command -v uv >/dev/null; then \
		test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) .venv; \
		uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-dev.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		test -x $(BIN)/pip || $(PYTHON) -m venv .venv; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock; \
		PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

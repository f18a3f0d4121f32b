# Every target makes its own virtual environment in .venv when there is none.
# Another Python than the default one: make test PYTHON=python3.13

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.PHONY: help demo test lint bench clean
.DEFAULT_GOAL := help

help: ## show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

demo: $(READY) ## put objects into a real S3 server and get them back
	$(BIN)/python examples/quickstart.py

test: $(READY) ## run all tests, on asyncio's event loop and on uvloop
	$(BIN)/python -m pytest --event-loop=asyncio
	$(BIN)/python -m pytest --event-loop=uvloop

lint: $(READY) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## measure side by side with other S3 clients
	$(BIN)/python benchmarks/run.py

clean: ## remove the virtual environment, caches and builds
	rm -rf $(VENV) .bench dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# make demo   a measured inference on this machine, from a fresh clone
# make test   every test
# make check  lint, format, types, import contracts
# make docs   the documentation site, in build/docs
# make test-more, make format, make bench: see CONTRIBUTING.md

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
# One BLAS thread a process: two that share two cores can slow each other 30-fold.
TEST_WORKERS ?= 2
# What `make test-more` runs: new examples for each property test, in these files or folders.
EXAMPLES ?= 3000
TESTS ?= tests

.DELETE_ON_ERROR:
.PHONY: demo test test-more check docs format clean bench

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The stamp's age against pyproject.toml and the constraints decides whether to install again.
$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "installing into $(VENV); the first time this takes minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/lem experiment configs/examples/demo.yaml
	@echo "to call lem by its name: . $(BIN)/activate"

test: $(VENV)/.installed-dev
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup

test-more: $(VENV)/.installed-dev
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal \
	  -m hypothesis --examples $(EXAMPLES) --timeout 0 $(TESTS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.installed-dev
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --builder html docs build/docs

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/startup.py --write benchmarks/RESULTS.md
	$(BIN)/python benchmarks/overhead.py --write benchmarks/RESULTS.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

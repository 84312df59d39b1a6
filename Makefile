# make demo   a measured inference on this machine, from a fresh clone
# make test   every test
# make check  lint, format, types, import contracts
# make docs   the documentation site, in build/docs
# make test-more, make format, make bench: see CONTRIBUTING.md

PYTHON ?= python3
# lem for its user, and lem with the tools of those who work on it: neither changes the other.
VENV ?= .venv
VENV_DEV ?= .venv-dev
BIN := $(VENV)/bin
DEV := $(VENV_DEV)/bin
CONSTRAINTS := constraints.txt
# For two cores, and a third that works while others wait. Each has one BLAS thread: two that share
# two cores can slow each other 30-fold.
TEST_WORKERS ?= 3
# What `make test-more` runs: new examples for each property test, in these files or folders.
EXAMPLES ?= 3000
TESTS ?= tests

.DELETE_ON_ERROR:
.PHONY: demo test test-more check docs format clean bench

$(BIN)/python $(DEV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(@D:/bin=)

# The stamp's age against pyproject.toml and the constraints decides whether to install again.
$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "installing lem and PyTorch into $(VENV); the first time this takes minutes"
	@$(BIN)/python scripts/install.py -c $(CONSTRAINTS) -e .
	@touch $@

$(VENV_DEV)/.installed: pyproject.toml $(CONSTRAINTS) requirements-dev.txt | $(DEV)/python
	@echo "installing lem, PyTorch and the tools into $(VENV_DEV); the first time this takes minutes"
	@$(DEV)/python scripts/install.py -c $(CONSTRAINTS) -r requirements-dev.txt -e .
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/lem experiment configs/examples/demo.yaml
	@echo "to call lem by its name: . $(BIN)/activate"

# Hundreds of short processes import lem: compiled once, whatever is set outside.
test: $(VENV_DEV)/.installed
	PYTHONDONTWRITEBYTECODE= PATH="$(abspath $(DEV)):$$PATH" $(DEV)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup

test-more: $(VENV_DEV)/.installed
	PATH="$(abspath $(DEV)):$$PATH" $(DEV)/python -m pytest -n $(TEST_WORKERS) --dist worksteal \
	  -m hypothesis --examples $(EXAMPLES) --timeout 0 $(TESTS)

check: $(VENV_DEV)/.installed
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	$(DEV)/lint-imports --no-cache

docs: $(VENV_DEV)/.installed
	$(DEV)/python scripts/generate_docs.py --check
	$(DEV)/sphinx-build --quiet --fail-on-warning --builder html docs build/docs
	@echo "the site: build/docs/index.html"

format: $(VENV_DEV)/.installed
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

bench: $(VENV_DEV)/.installed
	$(DEV)/python benchmarks/startup.py --write benchmarks/RESULTS.md
	$(DEV)/python benchmarks/overhead.py --write benchmarks/RESULTS.md

clean:
	rm -rf $(VENV) $(VENV_DEV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

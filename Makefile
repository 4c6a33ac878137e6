# On a new machine: `make demo` runs the demo, `make test` the checks and the test suite.
PYTHON ?= python3
VENV ?= .venv
LOWEST ?= .venv-lowest
BIN := $(VENV)/bin

.PHONY: demo test test-lowest soak check docs format clean

demo: $(VENV)/.installed
	PATH="$(abspath $(BIN)):$$PATH" launch/demo.sh

test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The suite with the lowest versions that requirements.txt allows, in a separate environment.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest -n 2 --dist worksteal

# Tests that take minutes.
soak: check
	$(BIN)/python -m pytest -m soak

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# docs/config-reference.md, from the fields of the configuration classes.
docs: $(VENV)/.installed
	PYTHONPATH=. $(BIN)/python docs/make_reference.py

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: requirements.txt
	$(PYTHON) supported_python.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

$(LOWEST)/.installed: requirements-lowest.txt requirements-dev.txt
	$(PYTHON) supported_python.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --upgrade pip
	$(LOWEST)/bin/python -m pip install --quiet -r requirements-lowest.txt -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) $(LOWEST) demo runs

# Every target does its set-up too, on a machine that has Python 3.11 or later, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all clean

demo: $(VENV)/installed
	$(BIN)/python tools/demo.py

# The two pytest workers share the cores, so the libraries take one thread each.
# `test` is what every commit needs; test-all also runs what is marked `release`.
test: PYTEST := -m "not release"
test test-all: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 10 $(PYTEST)

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo_output *.egg-info

# Every target does its set-up too, on a machine that has Python 3.11 or later, make and git.

PYTHON ?= python3
# The index of another build of PyTorch, https://download.pytorch.org/whl/cpu for one without CUDA
# (docs/install.md). Without it, pip takes the build that it is configured for.
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo notebook test test-all docs clean

demo: $(VENV)/installed
	$(BIN)/python tools/demo.py

# docs/tutorial.ipynb, with what its cells print and draw now.
notebook: $(VENV)/installed
	$(BIN)/python tools/run_notebook.py

# Three pytest workers keep two cores busy while one of them waits for a process that it has started;
# the libraries take one thread each. `test` is what every commit needs, test-all what a release needs.
test: PYTEST := -m "not release"
test test-all: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 10 $(PYTEST)

# The documentation site, in site/: read it from the disk, or serve the folder.
docs: $(VENV)/installed
	$(BIN)/python tools/docs_site.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --index-url $(TORCH_INDEX) torch)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo_output site *.egg-info

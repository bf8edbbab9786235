# `make demo` and `make test` need nothing but Python (3.11 or later) and make.
# The environment is made once in .venv, and made again when pyproject.toml changes.

PYTHON ?= python3
TORCH ?= torch==2.13.0
CHROMIUM ?= chromium
VENV := .venv
BIN := $(VENV)/bin
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo picture test lint types gpu-toy check clean

demo: $(VENV)/.installed
	$(BIN)/python -m tljax.study --config configs/demo.py --workdir demo
	$(BIN)/python -m tljax.report demo

# The picture in the README: the first screen of the demo's report.
picture: demo
	$(CHROMIUM) --headless=new --hide-scrollbars --window-size=1200,1210 \
	  --screenshot=docs/report.png file://$(CURDIR)/demo/report/index.html
	$(BIN)/python -c 'import sys; from PIL import Image; path = sys.argv[1]; Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)' docs/report.png

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/basedpyright

# Every step of the GPU measurements, at sizes that a CPU computes in about two minutes.
gpu-toy: $(VENV)/.installed-test
	PYTHON=$(CURDIR)/$(BIN)/python benchmarks/gpu.sh build/gpu-toy --toy

check: lint types test gpu-toy

clean:
	rm -rf $(VENV) demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("tljax needs Python 3.11 or later: make PYTHON=python3.12") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }  # an incomplete environment must not pass for a complete one

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[report]'
	touch $@

# torch reads PyTorch checkpoints; its own step, so that a small CPU build can be chosen (make test TORCH='torch --index-url ...').
$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/pip --quiet --disable-pip-version-check
NETWORKS := $(notdir $(basename $(wildcard srnas_tf/models/x*.keras)))
ONNX := $(NETWORKS:%=export/onnxruntime/%)
TFLITE := $(NETWORKS:%=export/litert/%)

.PHONY: quickstart test check docs kits $(ONNX) $(TFLITE) constraints clean

# The main job on embedded photographs.
quickstart: $(VENV)/installed
	$(RUN) -m srnas_tf.run --mode=pipeline --flagfile=flags/quickstart.flags

test: $(VENV)/installed-for-tests
	$(RUN) -m pytest --numprocesses=2 --dist=loadfile

check: $(VENV)/installed-for-tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The documents as a site, build/site; stops at a link that leads nowhere.
docs: $(VENV)/installed-for-docs
	$(RUN) -m docs.pages
	$(VENV)/bin/zensical build --strict --config-file=mkdocs.yml

$(VENV)/installed: setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-for-tests: setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable ".[test]"
	touch $@ $(VENV)/installed

$(VENV)/installed-for-docs: setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable ".[docs]"
	touch $@ $(VENV)/installed

# What the kits and the page come with: the networks in the package, frozen.
kits: $(ONNX) $(TFLITE)

$(ONNX): FILES := model.onnx
$(TFLITE): FILES := model.tflite,model_int8.tflite
$(ONNX) $(TFLITE): $(VENV)/installed
	rm -rf build/$@
	$(RUN) -m srnas_tf.run --mode=export --model=srnas_tf/models/$(@F).keras --workdir=build/$@ \
	    --export_files=$(FILES) --nocard_latency
	rm -rf $@
	mv build/$@/export $@

# The newest of everything that setup.py allows becomes the tested set; `make check test` says whether it deserves to.
constraints:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable ".[test,serving]"
	$(PIP) freeze --all --exclude-editable --exclude pip > constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info

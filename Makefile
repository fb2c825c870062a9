# Two commands: `make quickstart` trains, exports, proves and samples a real model; `make test` runs the tests.
# Both make the environment first. `make help` lists the rest;
# `make test ARGS="tests/test_catalog.py -k look_up"` chooses among the tests, `make test SHARE=2` the systems that are
# tested beside those that the change touches (tests/choice.py).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
PRESET ?= vae_digits_quick
RUN ?= runs/quickstart
WORKERS ?= 2
DEMO ?= vae_digits dcgan_digits real_nvp_digits pixel_cnn_digits_classes ddpm_digits
ARGS ?=
SHARE ?= today

BIN := $(VENV)/bin
# The stamp's name holds a checksum of what the environment is made from, so a change makes a new one.
STAMP := $(VENV)/.stamp-$(shell cat pyproject.toml setup.py | cksum | cut -d ' ' -f 1)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: help setup quickstart test test-all test-slow test-gpu lint format docs bundles demo site parity baselines checks clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 - /p' $(MAKEFILE_LIST) | awk -F ' - ' '{ printf "make %-11s %s\n", $$1, $$2 }'

setup: $(STAMP)  ## make the environment in .venv

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: expected Python 3.11 or newer, got $$($(PYTHON) --version 2>&1); set PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null 2>&1 || true
	@{ { $(BIN)/python -m uv --version > /dev/null 2>&1 || $(BIN)/python -m pip install -q uv; } \
	  && $(BIN)/python -m uv pip install --python $(BIN)/python -e ".[dev]"; } \
	  || $(BIN)/python -m pip install -e ".[dev]"
	@rm -f $(VENV)/.stamp-* && touch $@

quickstart: setup  ## train a model on the embedded digits, export it, prove it, draw from it
	$(BIN)/kerasgen train $(PRESET) --out $(RUN)
	$(BIN)/kerasgen export $(RUN) --out $(RUN)/bundle
	$(BIN)/kerasgen verify $(RUN)/bundle
	$(BIN)/kerasgen sample $(RUN)/bundle -n 64 --seed 7 -o $(RUN)/samples.png
	@echo
	@echo "Done. 64 pictures drawn by the exported model: $(RUN)/samples.png"

test: setup  ## the quick tests of the core, of what the change touches and of a share of the systems, in minutes
	$(PYTEST) -m "not slow and not gpu and not network" --share $(SHARE) $(ARGS)

test-all: setup  ## every test that needs no GPU and no network, in hours
	$(PYTEST) -m "not gpu and not network" $(ARGS)

test-slow: setup  ## the tests that take longer
	$(PYTEST) -m "slow and not gpu and not network" $(ARGS)

test-gpu: setup  ## the tests that need a GPU, one at a time
	$(PYTEST) -n 0 -m gpu $(ARGS)

lint: setup  ## style, types, and generated pages that are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

format: setup  ## mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## write the generated parts of README.md and docs/
	$(BIN)/python docs/generate.py

bundles: setup  ## export every preset that ships with weights into exports/bundles
	@mkdir -p exports/bundles
	@$(BIN)/python -c "import kerasgen; print(*kerasgen.list_presets(), sep='\n')" | while read -r preset; do \
	  test -f kerasgen/presets/$$preset/model.safetensors || continue; \
	  test -d exports/bundles/$$preset && continue; \
	  $(BIN)/kerasgen export $$preset --out exports/bundles/$$preset; \
	done

demo: setup  ## open the demo on a few models; DEMO="dcgan_digits ..." chooses others
	$(BIN)/kerasgen demo $(DEMO)

site: bundles  ## put the web page and these bundles together in build/site
	npm install --prefix exports/clients/node --ignore-scripts --no-audit --no-fund
	$(BIN)/python exports/website.py --out build/site
	@echo "next: $(BIN)/python -m http.server --directory build/site"

# One small bundle of each system; asked for once the environment is there.
PARITY = $(shell $(BIN)/python -c "from kerasgen import hub; print(*hub.small_presets().values())")

parity: setup  ## write exports/PARITY.md from fresh bundles, on the runtimes that are here
	$(BIN)/python exports/build.py $(PARITY) --out build/parity
	$(BIN)/python exports/parity.py $(PARITY:%=build/parity/%)

baselines: setup  ## measure the simple models that systems must beat
	$(BIN)/python benchmarks/baselines.py

checks: setup  ## measure what systems must reach and write docs/checks.md, after `make parity`
	$(BIN)/python benchmarks/checks.py $(PARITY:%=build/parity/%)

clean:  ## remove runs, builds and caches; the environment and the bundles stay
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

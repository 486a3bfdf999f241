# Everything a person or CI runs. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A folder of ready-made wheels (the CPU build of torch, say) is used when it is there.
WHEELS ?= ../shared/wheels
FIND_LINKS := $(if $(wildcard $(WHEELS)),--find-links $(abspath $(WHEELS)))
SEEDS ?= 0-9
# An environment that keeps no bytecode would compile every module and test again in each process of every command.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/pytest -q
# `make check` is two processes, each with folders of its own: workers that shared the files would both import all of
# them. All that imports torch or lm_eval is in the first half; what it does not name is in the second.
FIRST_HALF := $(addprefix tests/unit/,train generate attribution evaluation judging plan placebo crowd validate overlap \
    benchmark/test_export.py benchmark/test_harness_parity.py)

.PHONY: help setup demo study test proofs check first-half second-half lint types layers cluster-test images bench validity clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## create .venv with everything pinned in constraints.txt

$(VENV)/.ready: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(FIND_LINKS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## run the whole study on this machine (about 5 minutes) and print the verdicts
	$(BIN)/touchstone run imitation_audit --preset smoke --name demo

study: setup ## the study over SEEDS (default 0-9), counting in how many each claim holds
	$(BIN)/touchstone study --seeds $(SEEDS)

check: setup ## lint, types, layers, unit and contract tests
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint layers types first-half second-half

first-half: setup
	$(PYTEST) -p no:xdist -m "not slow and not long and not cluster" $(FIRST_HALF)

second-half: setup
	$(PYTEST) -p no:xdist -m "not slow and not long and not cluster" $(addprefix --ignore=,$(FIRST_HALF)) tests/unit tests/contract

test: setup lint types layers ## every test that needs no cluster
	$(PYTEST) -n 2 --dist loadfile tests

proofs: setup ## the longest tests, before a release
	$(PYTEST) -n 2 --dist loadfile -m "long and not cluster" tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

cluster-test: setup ## tests on the Kubernetes that KUBECONFIG names (see tests/cluster/README.md)
	$(PYTEST) -m cluster tests/cluster

images: setup ## build the images that need no accelerator (Docker), into images.lock
	$(BIN)/python -m images build cpu cpu-torch sandbox crowd --cpu-only --wheels $(WHEELS) --lock images.lock

validity: setup ## simulated worlds with known truth (about a quarter of an hour): the verdict's error rates, into docs/validity.md
	$(BIN)/touchstone validity --worlds 500 --write docs

bench: setup ## compare speed with the reference tools; B=name runs one
	$(BIN)/python -m tests.bench $(B)

clean: ## remove the environment and the runs
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

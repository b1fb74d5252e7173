# Every target makes the environment it needs by itself, from exact, hashed pins: .venv, and
# .venv-oracles for `make oracles`. `make help` lists the targets.
# PYTHON names the interpreter (3.11-3.13): `PYTHON=python3.12 make test`. Without it an existing
# .venv keeps the interpreter it was made with, and .venv-oracles has the same.

PYTHON ?= $(or $(shell cat .venv/interpreter .venv-oracles/interpreter 2>/dev/null | head -n 1),python3)
# The interpreter itself, behind links, version managers and active environments.
INTERPRETER := $(shell $(PYTHON) -c 'import os, sys; print(os.path.realpath(sys._base_executable))' 2>/dev/null)

BIN := .venv/bin
PIP := bin/python -m pip --disable-pip-version-check --no-input

.PHONY: help venv demo test test-slurm oracles lint schemas figures truth faults bench errors lock clean
.DELETE_ON_ERROR:

help:
	@echo "make venv    make .venv, which the other targets also do first"
	@echo "make demo    simulate three recordings, run the workflow on them, show what came out"
	@echo "make test    run every test"
	@echo "make test-slurm  run batches on a SLURM of this computer's own; needs root, Debian or Ubuntu"
	@echo "make oracles compare features with other libraries, in .venv-oracles"
	@echo "make lint    ruff, mypy, snakefmt and snakemake --lint"
	@echo "make schemas write the workflow's schemas and the page of options from the models"
	@echo "make figures draw the figures of docs/definitions.md"
	@echo "make truth   judge what features recover of simulated retinas, write docs/truth.md; minutes"
	@echo "make faults  plant faults wherever files are changed, write docs/reliability.md; hours; needs cc"
	@echo "make bench   time everything beside others that do it, write docs/benchmarks.md; an hour"
	@echo "make errors  list every error of the code, as the tests meet it, in docs/errors.md; minutes"
	@echo "make lock    resolve both locks anew from pyproject.toml"
	@echo "make clean   remove environments, caches and the simulated recordings in demo; results stay"

venv: .venv/ready

demo: .venv/ready
	$(BIN)/hdmea simulate demo --recordings 3
	$(BIN)/snakemake --config recordings=demo/recordings.tsv stimuli=demo/stimuli
	@echo "Look at results/demo_retina_1.png, at results/units.csv, and inside a file:"
	@echo "  .venv/bin/hdmea inspect results/demo_retina_1.h5"

test: .venv/ready
	$(BIN)/python -m pytest -n logical --maxprocesses 8

FOR_900_S = timeout --signal=INT --kill-after=30 900
# Skipped with the reason, and without an error, where there can be no SLURM.
test-slurm: .venv/ready
	$(BIN)/python -m scripts.private_slurm with $(FOR_900_S) $(BIN)/python -m pytest \
	  -n 4 --dist load tests/slurm/test_batches_on_slurm.py
	$(BIN)/python -m scripts.private_slurm with --accounts $(FOR_900_S) $(BIN)/python -m pytest \
	  -n 4 --dist load tests/slurm/test_with_accounts.py

oracles: .venv-oracles/ready
	.venv-oracles/bin/python -m pytest -n logical --maxprocesses 8 oracles

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

# The pins. setuptools goes first: pinned packages that exist as source only are built with it,
# not with whatever an isolated build would fetch.
.venv/locked: requirements.lock
.venv-oracles/locked: requirements-oracles.lock
.venv/locked .venv-oracles/locked:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "hdmea needs Python 3.11, 3.12 or 3.13;" \
	    "$(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not one that runs)." >&2; \
	  echo "Name another interpreter: PYTHON=python3.12 make $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv module is missing." >&2; \
	  echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	rm -rf $(@D)
	$(INTERPRETER) -m venv $(@D)
	awk '/^[a-z]/ {wanted = /^setuptools==/} wanted' $< > $(@D)/setuptools.lock
	$(@D)/$(PIP) install --quiet --require-hashes -r $(@D)/setuptools.lock
	$(@D)/$(PIP) install --quiet --require-hashes --no-build-isolation -r $<
	echo $(INTERPRETER) > $(@D)/interpreter
	touch $@

.venv/ready .venv-oracles/ready: %/ready: %/locked pyproject.toml
	$(@D)/$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Another interpreter than an environment was made with: made anew, however young its files are.
ifneq ($(INTERPRETER),$(shell cat .venv/interpreter 2>/dev/null))
.PHONY: .venv/locked
endif
ifneq ($(INTERPRETER),$(shell cat .venv-oracles/interpreter 2>/dev/null))
.PHONY: .venv-oracles/locked
endif

schemas: .venv/ready
	$(BIN)/python -m hdmea.batch config > workflow/schemas/config.schema.yaml
	$(BIN)/python -m hdmea.batch recordings > workflow/schemas/recordings.schema.yaml
	$(BIN)/python -m hdmea.batch options > config/OPTIONS.md

figures: .venv/ready
	PYTHONPATH=docs $(BIN)/python -m figures

truth: .venv/ready
	PYTHONPATH=docs $(BIN)/python -m truth

faults: .venv/ready
	$(BIN)/python -m faults

bench: .venv/ready .venv-oracles/ready
	PYTHONPATH=docs $(BIN)/python -m benchmarks

errors: .venv/ready
	PYTHONPATH=docs:. $(BIN)/python -m messages --tests

# Hashes are those of PyPI's own files, whatever index this machine is set to use. Packages of
# both locks have the same version in both, so that the oracles check what is installed.
COMPILE := .venv-lock/bin/uv pip compile --quiet --no-config \
  --universal --python-version 3.11 --upgrade --generate-hashes \
  --no-emit-index-url --custom-compile-command "make lock" pyproject.toml

lock:
	$(INTERPRETER) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	$(COMPILE) --all-extras -o requirements.lock
	$(COMPILE) --group pyproject.toml:oracles --constraint requirements.lock -o requirements-oracles.lock
	rm -rf .venv-lock

# What the workflow made stays, the demo's too: results, steps, work, and in .snakemake what
# Snakemake knows of them.
clean:
	rm -rf .venv .venv-oracles .venv-lock .mypy_cache .pytest_cache .ruff_cache .hypothesis demo
	find hdmea tests oracles faults benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +

# Two commands do everything on a machine with Python 3.11 to 3.13 and make: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# What the environment lacks is installed once; a changed lock or pyproject installs again.
SERVE := .venv/.serve-installed
CHECK := .venv/.check-installed
DEV := .venv/.dev-installed
# Where Python is told to keep nothing that it compiles, each of hundreds of processes would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
# A file's tests stay together: what they share, a trained model for one, is made once. One process more than two cores
# where a third of the time is waiting, for a killed worker's successor or the next poll.
TESTS := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

# Said before anything is installed: pip's own answer to a wrong Python is a wall of text after half a minute.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ifeq ($(filter help clean,$(MAKECMDGOALS)),)
ifneq ($(MAKECMDGOALS),)
ifeq ($(filter 3.11 3.12 3.13,$(VERSION)),)
$(error Python 3.11, 3.12 or 3.13 is needed and $(PYTHON) is $(or $(VERSION),not there): install one, or name it: make PYTHON=python3.12 $(MAKECMDGOALS))
endif
# An environment of another Python, or of one that is gone, is made anew.
ifneq ($(wildcard .venv/pyvenv.cfg),)
ifneq ($(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null),$(VERSION))
$(info The environment in .venv is not of Python $(VERSION): it is made anew)
$(shell rm -rf .venv)
endif
endif
endif
endif

.DEFAULT_GOAL := help
.PHONY: help run test check lint test-services bench soak mutants fuzz threats audit picture lock clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: $(SERVE) ## open the demo chat in the browser, or run the real bot when TELEGRAM_BOT_TOKEN is set
	@if [ -n "$$TELEGRAM_BOT_TOKEN" ] || grep -qsE '^TELEGRAM_BOT_TOKEN=.+' .env; \
	then exec $(BIN)/tumorscan run; else exec $(BIN)/tumorscan demo; fi

test: $(DEV) lint ## lint, type-check and run every test
	@echo "The tests of the training run beside the others; what they say comes last"
	@# A training waits for nothing: it takes what the others leave. Ctrl+C does not reach what runs in the background.
	@log=$$(mktemp); nice -n 5 $(TESTS) -n 1 --training-alone >$$log 2>&1 & beside=$$!; \
	trap 'kill $$beside; rm -f $$log; exit 130' INT TERM; \
	$(TESTS) -n 3 --without-training && told=0 || told=$$?; \
	wait $$beside || told=$$?; cat $$log; rm -f $$log; exit $$told

check: lint ## lint, types and the tests that need neither TensorFlow nor JAX (which it does not install)
	$(TESTS) -n 3 --without-training

lint: $(CHECK) ## ruff, mypy strict and the arrows between the packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-services: $(CHECK) ## the bot on PostgreSQL, as replicas and with a Dask cluster, started and ended by the tests
	$(BIN)/python -m pytest tests/services

bench: $(DEV) ## measure the whole journey of a scan and write BENCHMARKS.md
	$(BIN)/python -m tests.bench

soak: $(CHECK) ## kill and restart the bot thirty times while 64 people send, and count what was lost
	$(BIN)/python -m tests.soak --minutes 3.5 --scans 500 --kills 30 --kill-every 7 --people 64 --faults

MODULE ?=
mutants: $(CHECK) ## change what safety hangs on bit by bit, see a test fail (hours; MODULE=storage/inbox.py for one)
	$(BIN)/python -m tests.mutants $(MODULE)

MINUTES ?= 10
fuzz: $(CHECK) ## feed everything that comes from outside with changed input for ten minutes (MINUTES=1 for one)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

threats: $(CHECK) ## take each answer of SECURITY.md out of a copy, and see that its test fails (half an hour)
	$(BIN)/python -m tests.threats

audit: $(CHECK) ## licences, known vulnerabilities, bill of materials and checksums of the weights
	$(BIN)/python -m tests.audit

picture: $(CHECK) ## take the picture at the top of the README (needs Chromium)
	$(BIN)/python -m tests.browser.picture

lock: .venv/bin/python ## bring the lock files up to date with pyproject.toml
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra train --extra accelerator --group build --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--group build --group dev -c requirements-dev.lock pyproject.toml -o requirements-check.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--group build -c requirements-dev.lock pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra postgres --extra cluster --extra sentry --group build -c requirements-dev.lock pyproject.toml \
		-o requirements-extras.lock

clean: ## remove the environment and what tools left behind
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(SERVE): requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what the bot needs into .venv (once)"
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(CHECK): requirements-check.lock $(SERVE) | .venv/bin/python
	@echo "Installing what lint and most tests need into .venv (once)"
	$(PIP) --require-hashes -r requirements-check.lock
	@touch $@

$(DEV): requirements-dev.lock $(CHECK) | .venv/bin/python
	@echo "Installing what the other tests and the training need into .venv (once)"
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

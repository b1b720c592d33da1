# Everything that a fresh machine with Python 3.11 and git needs; .venv is made by the first target that uses it.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin
# Ten times what `make test` does of each: kills, made-up requests, hot swaps, damaged segments; steps of random walks 33 times;
# of accepted requests, after whose batches all assets are materialised, 50 times.
LONG := --kills 1000 --fuzz 6000 --accepted 50000 --swaps 200 --steps 100000 --damages 20000 --crashes 12 --calls 1000000 \
	--up-kills 100 --maintenance-kills 100 --deliverer-kills 50 --environment-kills 60 --import-kills 30
STAMP := $(VENV)/.installed
PACKAGES = $(shell grep '==' requirements.lock | grep -vc ';')
SHELL := /bin/bash

.PHONY: demo up test test-unit endurance lint docs bench lock clean

demo: $(STAMP)
	$(RUN)/modelops demo $(ARGS)

up: $(STAMP)
	$(RUN)/modelops up $(ARGS)

# Tests write small files and sync them: in memory that takes no disk's time. Without such a folder they use the disk.
MEMORY := $(shell [ -w /dev/shm ] && [ "$$(df --output=avail -k /dev/shm | tail -1)" -gt 4000000 ] && echo /dev/shm)
test test-unit endurance: export PYTEST_DEBUG_TEMPROOT = $(or $(MEMORY),/tmp)
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)
	@start=$$(date +%s); $(RUN)/python -m pytest -n 3 --dist loadfile --durations=40 --durations-min=20 $(ARGS) && echo "make test took $$(( $$(date +%s) - start )) s"

# What needs no process, no waiting and no network: for every save of a file.
test-unit: export PYTHONDONTWRITEBYTECODE =
test-unit: $(STAMP)
	$(RUN)/python -m pytest -n 2 --dist loadfile tests/unit $(ARGS)

# Ends with a line to keep: date, commit, counts, seconds, cores.
endurance: export PYTHONDONTWRITEBYTECODE =
endurance: $(STAMP)
	@start=$$(date +%s); $(RUN)/python -m pytest -n 2 --dist loadfile -rP tests/endurance $(LONG) $(ARGS) \
		&& echo "endurance: $$(date -u +%F) $$(git rev-parse --short HEAD) $(LONG): passed in $$(( $$(date +%s) - start )) s on $$(nproc) cores"

lint: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check modelops_pipelines examples tests benchmarks
	$(RUN)/mypy
	$(RUN)/lint-imports

# The site has the repository's layout, so that links hold on both: what it consists of is copied first.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(STAMP)
	rm -rf build/pages && mkdir -p build/pages/benchmarks
	cp -r README.md CHANGELOG.md CONTRIBUTING.md docs build/pages && rm -f build/pages/docs/*.py
	cp benchmarks/README.md build/pages/benchmarks
	$(RUN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

bench: $(STAMP)
	$(RUN)/python -m benchmarks.drift $(ARGS)
	$(RUN)/python -m benchmarks.serving $(ARGS)

# Resolve the pinned ranges of pyproject.toml into hashes, without any index address.
lock: $(STAMP)
	$(RUN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--extra demo --extra dev --no-emit-index-url --no-header --upgrade -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) with about $(PACKAGES) packages from requirements.lock."
	@echo "It takes one to three minutes the first time, and nothing afterwards."
	@$(PYTHON) -m venv $(VENV)
	@set -o pipefail; $(RUN)/python -m pip install --disable-pip-version-check --progress-bar off --no-deps \
		--require-hashes -r requirements.lock | awk -v total=$(PACKAGES) '\
		/^(Collecting|Processing)/ { count++; if (count % 20 == 0) { print "  fetched " count " of " total; fflush() } } \
		/^Installing collected/ { print "  fetched all; installing them, about half of the time"; fflush() }'
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "$(VENV) is ready."
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .demo .modelops build *.egg-info

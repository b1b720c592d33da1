# Everything that a fresh machine with Python 3.11 and git needs; .venv is made by the first target that uses it.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin
# Ten times what `make test` does of each: kills, made-up requests, hot swaps, steps of random walks, damaged segments.
LONG := --kills 2000 --fuzz 20000 --swaps 200 --steps 50000 --damages 100000
STAMP := $(VENV)/.installed

.PHONY: demo up test test-unit endurance lint bench lock clean

demo: $(STAMP)
	$(RUN)/modelops demo $(ARGS)

up: $(STAMP)
	$(RUN)/modelops up $(ARGS)

test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)
	@start=$$(date +%s); $(RUN)/python -m pytest -n 3 --dist loadfile $(ARGS) && echo "make test took $$(( $$(date +%s) - start )) s"

# What needs no process, no waiting and no network: for every save of a file.
test-unit: export PYTHONDONTWRITEBYTECODE =
test-unit: $(STAMP)
	$(RUN)/python -m pytest -n 2 tests/unit $(ARGS)

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

bench: $(STAMP)
	$(RUN)/python -m benchmarks.drift $(ARGS)
	$(RUN)/python -m benchmarks.serving $(ARGS)

# Resolve the pinned ranges of pyproject.toml into hashes, without any index address.
lock: $(STAMP)
	$(RUN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--extra demo --extra dev --no-emit-index-url --no-header --upgrade -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .demo .modelops build *.egg-info

# Everything runs in .venv, which each target makes for itself: nothing but python3, make and the
# package registry is needed. CI calls the same targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?= --algo dqn --envs easy
PYTEST_ARGS ?=

.PHONY: compare test check format lint types contracts coverage slow \
	calibrate calibrate-stats bench-overhead bench-speed bench-start bench-stats bench-judge bench-bugs \
	bench-preflight bench-twin soak check-versions clean

## The main job: compare my_impls/dqn.py with stable-baselines3. Other arguments: make compare ARGS='...'
## (make shows every verdict but PARITY as an error, because `compare` exits with 1, 3 or 4 then.)
compare: $(VENV)/.installed-core
	$(BIN)/compare $(ARGS)

## The test suite; what is marked slow has a smoke version in it and runs with `make slow`.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_ARGS)

## Format, lint, spelling, types and import contracts, as CI checks them.
check: lint types contracts

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

types: $(VENV)/.installed-dev
	$(BIN)/mypy

contracts: $(VENV)/.installed-dev
	$(BIN)/lint-imports

## Branch coverage of the pure stages, which decide the verdict.
coverage: $(VENV)/.installed-dev
	$(BIN)/coverage run --branch --source=harness/stats,harness/localise,harness/verdict,harness/plan \
		-m pytest -q tests/stats tests/localise tests/verdict tests/plan tests/judge
	$(BIN)/coverage report --show-missing --skip-covered

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## Calibrations and soaks in full (minutes to hours); the test suite holds a smoke version of each.
slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

## How often is the harness wrong? Rewrites docs/calibration.md; goes on if ended, hours in full.
calibrate: $(VENV)/.installed-test
	$(BIN)/compare calibrate --jobs 2 $(ARGS_BENCH)

calibrate-stats: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.stats.calibrate $(ARGS_BENCH)

bench-stats: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.stats.speed $(ARGS_BENCH)

bench-overhead: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.overhead $(ARGS_BENCH)

## Training speed of every file in my_impls beside its reference's own, paired in one run.
bench-speed: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.speed $(ARGS_BENCH)

bench-start: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.start $(ARGS_BENCH)

bench-judge: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.judge $(ARGS_BENCH)

## How far right runs drift from a record: what the band of a twin run rests on.
bench-twin: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.twin $(ARGS_BENCH)

## The reference's pre-flight against itself: every alarm is a false one.
bench-preflight: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.preflight $(ARGS_BENCH)

## Every planted mistake, pairs of them, the reference against itself: docs/localisation.md; goes on
## if ended.
bench-bugs: $(VENV)/.installed-test
	$(BIN)/compare calibrate detection pairs false-alarms-segments page --jobs 2 $(ARGS_BENCH)

soak: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.soak $(ARGS_BENCH)

## Tap maps of the references against every supported release, fetched from the package index.
check-versions: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.sb3_versions $(ARGS_BENCH)

clean:
	rm -rf $(VENV) build dist *.egg-info

# One stamp per set of extras; pyproject.toml decides when to install again.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	touch $@

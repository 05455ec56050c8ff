# make demo   a fresh machine with Python 3.11+ to a rehearsed system
# make test   the project's own tests, then the scenarios
# make check  lint, formatting, types, direction of imports (what CI runs, together with `make test`)
# make scenarios-docker, scenarios-aws  the scenarios on MiniStack, in containers and as AWS
# make scenarios-moto  the scenarios as on AWS, on a moto server, which runs no functions
# make conformance  AWS's rules with their tests, counted, and docs/semantics.md written from them
# make fix    repair what the linter can
# make bench  the table of measured comparisons (docs: benchmarks/README.md)

# The first interpreter that is new enough; `make PYTHON=python3.13 setup` chooses another.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,\
	$(if $(shell $(p) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup check test conformance environments fix scenarios scenarios-docker scenarios-aws scenarios-moto demo bench typed

setup: $(VENV)/.installed

# The stamp is older than pyproject.toml exactly when something must be installed again.
$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Stagefright needs Python 3.11 or newer; none was found. Set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --editable '.[dev]'
	@touch $@

check: setup typed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/packaging/test_layers.py -k "not alone"

# mypy cannot follow setuptools' package-dir mapping, so it is shown the package as it will be installed.
typed:
	@rm -rf build/typed && mkdir -p build/typed/stagefright
	@ln -s $(CURDIR)/harness/* $(CURDIR)/chaos $(CURDIR)/fixtures build/typed/stagefright/

test: setup environments
	$(BIN)/pytest tests -n auto --rulebook=check
	$(BIN)/pytest scenarios --stage=my-feature -n auto

conformance: setup environments
	$(BIN)/pytest tests -n auto -m rule --rulebook=write --quiet

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

scenarios: setup
	$(BIN)/pytest scenarios --stage=my-feature

# The scenarios on stages outside the process, each with a table of what was skipped there, and why.
# ARGS="-m 'not nightly'" leaves out what takes long in real time.
scenarios-docker: setup build/ministack/bin/ministack
	$(BIN)/python tests/deployed/scenarios.py docker $(ARGS)

scenarios-aws: setup build/ministack/bin/ministack
	$(BIN)/python tests/deployed/scenarios.py ministack $(ARGS)

scenarios-moto: setup
	$(BIN)/python tests/deployed/scenarios.py moto $(ARGS)

demo: setup
	$(BIN)/pytest scenarios --stage=my-feature
	@echo "\nWhat happened, in two of these tests (any test shows it with -rP):"
	@$(BIN)/pytest scenarios/social_feed --stage=my-feature -rP --quiet --no-header \
		-k "takes_the_designed_way or TestAddToFeed and test_failing and not minute"

# MiniStack is a yardstick here: where it cannot be installed, the table says so.
bench: setup
	@$(MAKE) --no-print-directory build/ministack/bin/ministack || echo "MiniStack could not be installed."
	$(BIN)/python -m benchmarks

# Programs that tests run live in environments of their own.
environments: build/awscli/bin/aws build/ministack/bin/ministack

# The AWS CLI, against which the endpoint is tested, lives in an environment of its own: it pins its botocore.
build/awscli/bin/aws:
	$(PYTHON) -m venv build/awscli
	build/awscli/bin/python -m pip --disable-pip-version-check --quiet install awscli

# MiniStack stands in for AWS in the tests of deployed stages; what it needs is none of the project's business.
build/ministack/bin/ministack:
	$(PYTHON) -m venv build/ministack
	build/ministack/bin/python -m pip --disable-pip-version-check --quiet install ministack boto3

# Everything runs through uv, which keeps the environment in .venv equal to uv.lock.
# Where uv is missing, a pinned one is put into .uv (git-ignored).
UV_VERSION := 0.13.9
UV ?= $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= python3
ARGS ?=
export UV_PYTHON_DOWNLOADS ?= never

.PHONY: demo test test-browser test-deployment bench bench-peers check docs dist fix vestnik setup

demo: setup
	@$(UV) run --frozen --no-sync vestnik demo $(ARGS)

vestnik: setup
	@$(UV) run --frozen --no-sync vestnik $(ARGS)

ifdef ARGS
test: setup
	@$(UV) run --frozen --no-sync pytest -n 3 --dist worksteal $(ARGS)
else
# What asserts times runs with nothing beside it.
test: setup
	@$(UV) run --frozen --no-sync pytest -n 3 --dist worksteal -m "not timed"
	@$(UV) run --frozen --no-sync pytest -m timed
endif

test-browser: setup
	@tests/browser/prepare.sh
	@$(UV) run --frozen --no-sync pytest tests/browser $(ARGS)

test-deployment: setup
	@tests/deployment/prepare.sh
	@$(UV) run --frozen --isolated --only-group deployment hadolint deploy/Dockerfile
	@$(UV) run --frozen --no-sync pytest -n 2 tests/deployment tests/unit/deploy $(ARGS)

# Such as ARGS="start pace --full --json"; every measure in its short form without.
bench: setup
	@$(UV) run --frozen --no-sync python -m benchmarks $(ARGS)

# The queues that the benchmarks compare with: from npm, PyPI and Debian.
bench-peers: setup
	@UV="$(UV)" PYTHON=.venv/bin/python benchmarks/peers/prepare.sh

# SLOW=1 adds what asks others: whether osv.dev knows weaknesses of the locked dependencies.
check: setup
	$(UV) lock --check
	$(UV) run --frozen --no-sync ruff check .
	$(UV) run --frozen --no-sync ruff format --check .
	$(UV) run --frozen --no-sync mypy
	$(UV) run --frozen --no-sync lint-imports
	$(UV) run --frozen --no-sync djlint --quiet --lint src/vestnik/console/templates
ifeq ($(SLOW),1)
	UV="$(UV)" .ci/audit
endif

# The site, in build/docs.
docs: setup
	@$(UV) run --frozen --no-sync sphinx-build -W --keep-going -q -b html docs build/docs

# Wheel, source distribution and what the changelog says of this version.
dist: setup
	@rm -rf dist
	@$(UV) build --quiet --out-dir dist
	@$(UV) run --frozen --no-sync python docs/release_notes.py > dist/RELEASE_NOTES.md
	@ls dist

fix: setup
	$(UV) run --frozen --no-sync ruff check --fix .
	$(UV) run --frozen --no-sync ruff format .

setup: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vestnik needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@echo "Setting up (once): uv $(UV_VERSION)"
	@$(PYTHON) -m venv .uv || { rm -rf .uv; echo "Vestnik: 'python3 -m venv' does not work here; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

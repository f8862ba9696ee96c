# Everything Hive needs is set up by the target that needs it; see `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
LOCKS := provisioning/locks
OUT ?= demo-out
ARGS ?=

.PHONY: help stubs demo test lint bench lock contracts audit clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r a b; do printf '  make %-10s %s\n' "$$a" "$$b"; done

.make/venv:
	@mkdir -p .make
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "Hive needs CPython 3.11 to 3.13; set PYTHON=... to one"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python lacks venv: install your system's python3-venv package"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.make/run: .make/venv pyproject.toml $(LOCKS)/worker.txt $(LOCKS)/queen.txt $(LOCKS)/provision.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/worker.txt -r $(LOCKS)/queen.txt -r $(LOCKS)/provision.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.make/dev: .make/run $(LOCKS)/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/dev.txt
	@touch $@

.make/node: .make/venv $(LOCKS)/node.txt
	@if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; then :; \
	else $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/node.txt; fi
	@touch $@

.make/contracts: .make/node contracts/package-lock.json
	cd contracts && PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --silent --no-audit --no-fund
	@touch $@

.make/board-stubs: .make/dev $(LOCKS)/stubs.txt
	@rm -rf $@
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps --target $@ -r $(LOCKS)/stubs.txt

.make/audit: .make/dev .make/contracts $(LOCKS)/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install -q --disable-pip-version-check --require-hashes -r $(LOCKS)/audit.txt
	@touch $@

stubs: .make/board-stubs ## the sensor head's board as types, aside from the main environment

demo: .make/run ## one measured day of a Hive, from meter register to chain; ARGS="--homes 3 --hours 2"
	$(BIN)/hive-demo --out $(OUT) $(ARGS)

test: .make/dev .make/contracts ## all tests (DEEP=1 also the long ones)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $(if $(DEEP),tests/deep.py,-m pytest -m "not deep") $(ARGS)

lint: .make/dev ## format, ruff, strict types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .make/dev ## the figures, as JSON lines, each with its reference in the same run
	$(BIN)/python -m tests.bench $(ARGS)

contracts: .make/dev .make/contracts ## compile, export ABI and bytecode, test, check the gas snapshot
	cd contracts && export PATH="$$PATH:$(CURDIR)/$(BIN)" && ../$(BIN)/python scripts/export_abi.py \
	  && $$(ls -d node_modules/@foundry-rs/forge-*/bin | head -1)/forge test \
	  && ../$(BIN)/python scripts/gas.py && ../$(BIN)/python scripts/export_abi.py --check

audit: .make/audit ## static checks, branch coverage, storage of upgrades, symbolic proofs, planted mistakes
	cd contracts && PATH="$$PATH:$(CURDIR)/$(BIN)" ../$(BIN)/python scripts/audit.py $(ARGS)

lock: .make/dev ## resolve the locks anew, with hashes and without addresses
	$(BIN)/python provisioning/locks/resolve.py

clean: ## forget everything that was set up or built
	rm -rf .venv .venv-audit .make contracts/node_modules contracts/out contracts/cache build dist *.egg-info

# Two commands on a bare machine: `make demo` and `make test`. `make` alone lists all of them.
# Nothing is installed outside this folder, except by `make browser`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.SUFFIXES:

BIN := .venv/bin
READY := .venv/ready
# One more than cores: some tests wait, for processes that start and for time that passes.
WORKERS ?= 3
ARGS ?=
PURCHASES ?= 500
SEED ?= 7
N ?= 100000

help:
	@echo "⛴  Ferryman"
	@echo
	@echo "  make demo      🎬  start the whole world and the shop in it; prints one address to open"
	@echo "  make test      ✅  every check and every test"
	@echo
	@echo "  make smoke     🛒  buy as a person would, without a browser; ends with one line of numbers"
	@echo "  make chaos     🌪  500 purchases while everything fails and is killed: PURCHASES=500 SEED=7"
	@echo "  make fuzz      🎲  100,000 made-up webhooks at every provider's address: N=100000 SEED=7"
	@echo "  make bench     ⏱  measure: payment to key, purchases a second, start, memory"
	@echo "  make check     🔍  only the checks: style, types, arrows (a minute)"
	@echo "  make format    🧹  put the code into its one format"
	@echo "  make browser   🌐  bring Chromium for the tests that click (Debian, as root)"
	@echo "  make docs      📖  write the generated parts of docs/ anew"
	@echo "  make wheel     📦  build the package into dist/ and try it in an environment of its own"
	@echo "  make lock      🔒  pin the newest allowed versions into requirements/"
	@echo "  make clean     🗑  remove what make made here; data of the demo and of a shop stays"
	@echo
	@echo "  ARGS=… is handed on:  make demo ARGS=--help     make test ARGS='-k webhook'"

$(READY): requirements/tools.txt requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup

setup: $(READY)

demo: $(READY)
	@$(BIN)/python -m ferryman_sandbox demo $(ARGS)

smoke: $(READY)
	@$(BIN)/python -m ferryman_sandbox smoke $(ARGS)

chaos: $(READY)
	@$(BIN)/python -m ferryman_sandbox chaos --purchases $(PURCHASES) --seed $(SEED) $(ARGS)

fuzz: $(READY)
	@$(BIN)/python -m tests.fuzz $(N) --seed $(SEED) $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

check: $(READY)
	@echo "🔍 style";  $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "🔍 types";  $(BIN)/mypy src tests scripts $(wildcard benchmarks)
	@echo "🔍 arrows"; $(BIN)/lint-imports

# Tests come last, so that the last lines are their summary.
test: check
	@echo "✅ tests"; $(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

format: $(READY)
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format .

browser:
	@scripts/browser

docs: $(READY)
	@$(BIN)/python scripts/settings_page.py

wheel: $(READY)
	@scripts/wheel

lock: $(READY)
	@scripts/lock && echo "🔒 requirements/ is written; 'make test' installs and tries it"

clean:
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo smoke chaos fuzz bench check test format browser docs wheel lock clean

# EdgeLLM: each target creates what it needs.

PYTHON   ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && exit; done; echo python3)
VENV     ?= .venv
EXTRAS   ?=
PORTABLE ?=
REBUILD  ?=
ARGS     ?=

BIN := $(VENV)/bin
SETUP = $(PYTHON) -m scripts.set_up --venv "$(VENV)" --extras "$(EXTRAS)" $(if $(PORTABLE),--portable)

# What fails (status 1) is tried once more alone: a test that waits may lose to a machine that does something else.
# Both failures are printed; one that fails twice has failed.
PROVE = "$(BIN)/python" -m pytest $(1) $(2) || { [ $$? -eq 1 ] && "$(BIN)/python" -m pytest $(1) --last-failed --last-failed-no-failures none; }

help:            ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

run: .setup      ## open EdgeLLM; without a terminal, the guided tour
	@if [ -t 0 ] && [ -t 1 ]; then exec "$(BIN)/edgellm" $(ARGS); else exec "$(BIN)/edgellm" tour $(ARGS); fi

setup:           ## environment, llama.cpp for this processor, dependencies (EXTRAS=all PORTABLE=1 REBUILD=1)
	@$(SETUP) $(if $(REBUILD),--rebuild)
	@echo "EdgeLLM is set up in $(VENV)."

test: .setup     ## every test (ARGS='-k engine -m "not live"' chooses some)
ifeq ($(strip $(ARGS)),)
	@$(call PROVE,-m "not live and not long",-n 2 --dist loadfile)
	@$(call PROVE,-m "live and not long",)
else
	@"$(BIN)/python" -m pytest $(ARGS)
endif

test-long: .setup ## proofs of minutes each: killed engines, mutated files, the whole loop
	@"$(BIN)/python" -m pytest -m long $(ARGS)

test-clients: .setup  ## packages that people use, against the server; needs a network to install them once
	@"$(BIN)/python" -m tests.clients.environments build/clients
	@CLIENT_ENVIRONMENTS="$(CURDIR)/build/clients" "$(BIN)/python" -m pytest tests/clients -m clients $(ARGS)

check: .setup    ## format, lint, types, import contracts, repository rules
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/ruff" check .
	@"$(BIN)/python" -m mypy
	@"$(BIN)/lint-imports"
	@"$(BIN)/python" -m pytest -q -m "not live" tests/rules

bench: .setup    ## every benchmark, results in benchmarks/results (ARGS='--llama-server PATH')
	@"$(BIN)/python" -m benchmarks $(ARGS)

soak: .setup     ## twenty minutes of clients at a server: nothing may grow (ARGS='--minutes 360' for longer)
	@"$(BIN)/python" -m benchmarks.soak $(ARGS)

llama-server: .setup  ## llama.cpp's own server for the benchmarks, same source and flags; prints its path
	@"$(BIN)/python" -m scripts.build_llama_server

format: .setup   ## format the sources and the generated parts of README
	@"$(BIN)/ruff" format .
	@"$(BIN)/ruff" check --fix .
	@"$(BIN)/python" -m scripts.readme_tree --write
	@"$(BIN)/python" -m scripts.readme_table --write

clean:           ## remove what tools left behind (not the environment)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist snapshot_report.html

.setup:
	@$(SETUP)

.PHONY: help run setup test test-long test-clients check bench soak llama-server format clean .setup

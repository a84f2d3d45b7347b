# One line a target; `make help` prints them. `make train` and `make test` set the environment up themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# neighbours stay in one process, so that what a file's tests share is made once
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal

DATASET ?= tvsum
SETTING ?=
DATA ?=
NAME ?=
SRC ?=
WITH ?=
DEVICES ?=
SWEEP ?= online
TRIALS ?= 20
WORKERS ?=
QUICK ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lock train sweep benchmark bench test test-quick test-distributed lint data leaderboard docs clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20
	@echo
	@echo 'make train DATASET=tvsum|summe SETTING=canonical|augmented|transfer [DATA=folder] [DEVICES=2] [WITH="unsupervised"] [ARGS="seed=1"]'
	@echo 'make train DATASET=qfvs|s-videoxum|mrhisum|mosu'
	@echo 'make sweep DATASET=tvsum|summe|qfvs [SWEEP=local TRIALS=20 WORKERS=2]'
	@echo 'make benchmark [QUICK=1] [WORKERS=2] [DATA=folder] [ARGS="--only summe"]'

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found: install Python 3.11 or newer, or PYTHON=path"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11: install a newer one, or PYTHON=path"; exit 2; }
	@echo 'make: installing into $(VENV), which takes some minutes the first time'
	$(PYTHON) -m venv $(VENV)
	@# twice quiet: errors only, no warnings about where pip was told to look
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev,docs,offline,judge]'
	@# wandb's engine, for the tests of sweeps; its metadata asks for an older numpy than it works with
	@$(BIN)/python -m pip install -qq --no-deps sweeps==0.3.0 || echo 'no wandb sweeps engine: some tests of sweeps skip'
	@touch $@

setup: $(STAMP) ## make .venv with the pinned, tested versions

LINE := '{metadata[name]}=={metadata[version]} --hash=sha256:{download_info[archive_info][hashes][sha256]}'
lock: $(STAMP) ## write requirements-linux-cpu.txt: the pinned versions and all that they bring, with checksums
	$(BIN)/python -m pip install -qq --dry-run --ignore-installed --constraint constraints.txt --report $(VENV)/lock.json '.[dev,docs,offline,judge]'
	@{ grep '^#' requirements-linux-cpu.txt; $(BIN)/python -c "import json; \
	  files = json.load(open('$(VENV)/lock.json'))['install']; \
	  print(*sorted($(LINE).format(**file) for file in files if 'archive_info' in file['download_info']), sep='\n')"; } >$(VENV)/lock.txt
	mv $(VENV)/lock.txt requirements-linux-cpu.txt

train: $(STAMP) ## train and evaluate: DATASET, SETTING, DATA (store folder), DEVICES, WITH (overlays), ARGS (key=value)
	$(BIN)/clipit train $(DATASET) $(WITH) $(if $(SETTING),data.setting=$(SETTING)) $(if $(DATA),data.root='$(DATA)') $(if $(DEVICES),trainer.devices=$(DEVICES)) $(ARGS)

sweep: $(STAMP) ## search settings on validation: DATASET, SWEEP=online (wandb) or local, TRIALS, WORKERS
	$(BIN)/clipit sweep $(DATASET) $(if $(filter local,$(SWEEP)),--trials $(TRIALS) --workers $(or $(WORKERS),2),--online) $(if $(SETTING),data.setting=$(SETTING)) $(if $(DATA),data.root='$(DATA)') $(ARGS)

benchmark: $(STAMP) ## a grid (experiments/benchmark.yaml) with paired tests: QUICK=1, WORKERS, DATA, ARGS
	$(BIN)/clipit benchmark $(if $(QUICK),--quick) $(if $(WORKERS),--workers $(WORKERS)) $(if $(DATA),data.root='$(DATA)') $(ARGS)

bench: $(STAMP) ## time ours against the usual code and scipy: DATA, ARGS="training --repeats 3" (ARGS=--list lists all)
	$(BIN)/python -m experiments.bench $(if $(DATA),--root '$(DATA)') $(ARGS)

test: $(STAMP) ## run the tests on all cores, 250 of the hostile inputs among them (HOSTILE=all: all of them)
	$(BIN)/python -m pytest $(PARALLEL)

test-quick: $(STAMP) ## of the tests, those that take less than a minute together
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not hostile and not browser and not distributed'

test-distributed: $(STAMP) ## of the tests, those that start several processes or kill them (`make test` runs these too)
	$(BIN)/python -m pytest -m distributed

lint: $(STAMP) ## ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

data: $(STAMP) ## NAME=tvsum fetches a source, SRC=folder imports files and checks all stores, nothing lists sources and checks
	$(if $(NAME)$(if $(SRC),,list),$(BIN)/clipit data fetch $(NAME))
	$(if $(SRC),$(BIN)/clipit data import '$(SRC)' $(if $(DATA),--to '$(DATA)'))
	@if [ -z '$(NAME)' ] && ls '$(or $(DATA),data)'/*.h5 >/dev/null 2>&1; then $(BIN)/clipit data check --root '$(or $(DATA),data)'; fi

leaderboard: $(STAMP) ## write experiments/leaderboard.csv from experiments/results, and print it (your own runs: clipit leaderboard)
	$(BIN)/clipit leaderboard experiments/results --to experiments/leaderboard.csv

docs: $(STAMP) ## build the site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site

clean: ## remove the environment, the site, the miniature and caches; runs and imported data stay
	rm -rf $(VENV) site data/mini .pytest_cache .mypy_cache .ruff_cache

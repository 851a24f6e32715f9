# `make app` serves the demo and `make test` checks everything, both from nothing but Python 3.11 to 3.13.
# `make help` lists the rest. Settings: PORT=7860, PYTHON=python3.11.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # steps build on one another, and the work inside them uses the cores already

# OpenMP's threads sleep while they wait; spinning ones cost milliseconds a step on small machines.
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

PORT ?= 7860
SUPPORTED := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

BIN := .venv/bin
SYNTIC := $(BIN)/python -m syntic
# Whose features, maps and decoders are made; the profile has to name them.
CORPORA ?= everyday people web
# The variants of Table 4, in its order.
VARIANTS := baseline fo fp af fo+af fp+fo fp+af syntic
# The frozen models, each after those it needs.
MODELS := tokenizer clip planner autoencoder generator detector
PRETRAINING_PICTURES ?= 60000
# Trainings of each system that learns from texts, in tables.
SEEDS ?= 3

.PHONY: help app test test-fullsize check format scenes pretrain frozen features decoders table4 tables \
	screenshots rebuild clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

app: .venv/installed ## install what is missing and serve the demo on PORT
	GRADIO_SERVER_PORT=$(PORT) $(BIN)/python app.py

test: check ## install what is missing and run every check and test
	@scripts/system-packages browser java
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fullsize: .venv/installed-dev ## the paper's models at full size with random weights, into docs/scale.md (12 GiB)
	SYNTIC_FULLSIZE=1 $(BIN)/python -m pytest -m fullsize tests

check: .venv/installed-dev ## style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# Gradio writes stubs of its subclasses beside them; mypy would read those instead of the code.
	@find syntic/ui -name '*.pyi' -delete
	$(BIN)/mypy

format: .venv/installed-dev ## put every file into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The environment. Each stamp is written last, so that an interrupted installation is taken up again.
.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "SynTIC needs Python 3.11, 3.12 or 3.13 with its venv module" \
		"(Debian and Ubuntu: apt-get install python3-venv), but none was found."; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "SynTIC needs Python 3.11, 3.12 or 3.13 with its venv module," \
		"but $(PYTHON) is $$($(PYTHON) --version 2>&1)."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/pip
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt requirements-scale.txt .venv/installed
	$(BIN)/python -m pip install -r requirements-dev.txt
	@touch $@

# The embedded world, from sprites to the table. Every step resumes where it was stopped.
scenes: .venv/installed ## emoji world: sprites, pictures, captions, boxes
	@scripts/system-packages npm emoji-font
	$(SYNTIC) emoji sprites
	$(SYNTIC) emoji scenes

pretrain: .venv/installed ## emoji world: the frozen CLIP, detector and generator (hours)
	test -f build/emoji/pretraining/scenes.jsonl || $(SYNTIC) emoji scenes --pretraining $(PRETRAINING_PICTURES)
	test -f build/emoji/pretraining-tidy/scenes.jsonl || $(SYNTIC) emoji scenes --pretraining $(PRETRAINING_PICTURES) --tidy
	for model in $(MODELS); do $(SYNTIC) emoji pretrain $$model || exit 1; done

frozen: .venv/installed ## measure the frozen models on the test pictures; what their training took, into the docs
	$(SYNTIC) emoji evaluate
	$(SYNTIC) emoji curves

features: .venv/installed ## synthetic pictures of the CORPORA -> features, tags and maps
	for corpus in $(CORPORA); do $(SYNTIC) synthesize $$corpus assets/emoji/features/$$corpus \
		&& $(SYNTIC) emoji export --corpus $$corpus || exit 1; done

decoders: .venv/installed ## train the eight variants of Table 4 on each of the CORPORA
	for corpus in $(CORPORA); do for variant in $(VARIANTS); do \
		$(SYNTIC) train --corpus $$corpus --variant $$variant || exit 1; done; done

table4: .venv/installed ## Table 4: evaluate them beside the paper's numbers, in README.md too; SEEDS=1 is short
	@scripts/system-packages java
	$(SYNTIC) experiment table4 --seeds $(SEEDS)

tables: .venv/installed ## every table, the paper's and our own, and the analysis: trains what is missing (hours)
	@scripts/system-packages java
	$(SYNTIC) experiment all --seeds $(SEEDS)

screenshots: .venv/installed-dev ## the README's pictures of the app, which must be running on PORT
	@scripts/system-packages browser
	$(BIN)/python scripts/screenshots.py http://127.0.0.1:$(PORT) assets/screenshots

rebuild: scenes pretrain frozen features decoders table4 ## all six, in that order

clean: ## remove caches
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build/lib *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove caches and the environment
	rm -rf .venv

# Life As Not Me. `make` alone lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install -qq
LIGHT := $(VENV)/.light
HEAVY := $(VENV)/.heavy
# The video threads of two libraries would spin against each other on shared cores.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0
export TOKENIZERS_PARALLELISM := false
# Of plan, deploy and destroy.
export STATE_BUCKET
export IMAGE
.DEFAULT_GOAL := help
NO_PACKAGES := { echo "Packages could not be installed: stopped, or no way to a Python package index? Run it again."; exit 1; }
.PHONY: help setup setup-light demo up test test-fast check fix docs plate cards bundle plan deploy weights destroy picture image-trial pin bench-pipeline bench-batch bench-optics bench-render chaos pocket pocket-evaluation pocket-card clean

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(HEAVY) ## Make .venv with everything (about 1.6 GB: torch); other targets do it by themselves
setup-light: $(LIGHT) ## Make .venv without torch: enough for test-fast and for the command against a deployed API

demo: $(HEAVY) ## Make one video on this machine: no account, no GPU, no download of weights
	@$(BIN)/lifeasnotme demo $(ARGS)

up: $(HEAVY) ## Keep the system running on this machine until Ctrl-C
	@$(BIN)/lifeasnotme up $(ARGS)

test: $(HEAVY) ## Run every test: unit, contract, bundles, rendering, acceptance
	$(BIN)/pytest $(ARGS)

test-fast: $(LIGHT) ## Run the tests that need neither torch nor emulators, in seconds
	$(BIN)/pytest tests/unit -m "not emulators and not render and not acceptance" $(ARGS)

check: $(HEAVY) ## Lint, formatting and types; writes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy functions/notify/main.py

fix: $(LIGHT) ## Repair what can be repaired: lint and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(LIGHT) ## Write anew what the code says about itself: docs/settings.md, docs/schemas, docs/perspectives, docs/models.md
	@$(BIN)/python -m local.reference

plate: $(HEAVY) ## Draw anew one picture as everybody in the catalogue sees it: docs/pictures/plate.jpg
	@$(BIN)/python -W ignore -m local.plate

cards: $(HEAVY) ## Draw anew the scene of the page as everybody sees it: frontend/public/cards
	@$(BIN)/python -W ignore -m local.cards

bundle: $(LIGHT) ## Make build/<function>/, what is deployed of each Cloud Function
	@$(BIN)/python -m local.bundles

plan: bundle ## Show what deploy would make in the cloud, and change nothing: see terraform/
	@$(BIN)/python terraform/deployment.py plan $(ARGS)

deploy: bundle ## Make the service in the cloud or bring it up to date (STATE_BUCKET=…, or IMAGE=… instead of building one)
	@$(BIN)/python terraform/deployment.py deploy $(ARGS)

weights: $(HEAVY) ## Bring the weights of the served models to the bucket that the workers mount
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python terraform/weights.py

destroy: bundle ## Unmake everything in the cloud; asks before
	@$(BIN)/python terraform/deployment.py destroy $(ARGS)

picture: $(LIGHT) ## Draw anew the architecture from its text: docs/pictures/architecture.dot (needs graphviz)
	@$(BIN)/python -m local.picture

image-trial: $(HEAVY) ## Build the worker's image for a CPU without an engine, and have it make a video (root; buildah, mmdebstrap)
	@$(BIN)/python -W ignore -m local.image_trial

bench-pipeline: $(HEAVY) ## Measure the overhead from 202 to completed, and the floor beside it
	@$(BIN)/python -m bench.pipeline $(ARGS)

bench-batch: $(LIGHT) ## Measure how fast 10 000 wishes by one manifest are queued, and the floor beside it
	@$(BIN)/python -m bench.batch $(ARGS)

bench-optics: $(HEAVY) ## Measure frames a second and memory of every perspective's eye, and the floor beside it
	@$(BIN)/python -m bench.optics $(ARGS)

bench-render: $(HEAVY) ## Measure each stage of a render and each lever of a recipe; on a GPU with ARGS=--full
	@$(BIN)/python -W ignore -m bench.render $(ARGS)

chaos: $(HEAVY) ## Kill workers and lose messages at random; shows that no job is lost and none is rendered twice
	@$(BIN)/python -m bench.chaos $(ARGS)

pocket: $(HEAVY) ## Train the pocket model here: 10 minutes on a large GPU, hours on two cores; goes on where it was stopped (ARGS="--minutes 60")
	@$(BIN)/python -W ignore -m models.pocket.train --work .pocket --out models/weights/pocket $(ARGS)

pocket-evaluation: $(HEAVY) ## Measure how well the pocket model follows prompts that it has not seen (an hour on two cores)
	@$(BIN)/python -W ignore -m models.pocket.evaluation --work .pocket --out models/weights/pocket/evaluation.json $(ARGS)
	@$(BIN)/python -W ignore -m models.pocket.evaluation --work .pocket --out models/weights/pocket/evaluation-20.json \
	  --steps 20 --guidance 2 $(ARGS)

pocket-card: $(HEAVY) ## Write the pocket model's card and contact sheets from what was measured
	@$(BIN)/python -W ignore -m models.pocket.card $(ARGS)

pin: $(LIGHT) ## Resolve every requirements.in to its requirements.txt
	@$(PIP) pip-tools==7.6.2
	for folder in functions/submit functions/notify gpu_job .; do \
	  (cd $$folder && for wish in requirements*.in; do \
	    $(CURDIR)/$(BIN)/pip-compile -q --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --no-annotate \
	      --no-header -o $${wish%.in}.txt $$wish; done); done

clean: ## Remove everything that make has made
	rm -rf $(VENV) build out .cache .local .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(LIGHT): functions/submit/requirements.txt functions/notify/requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is missing: install it, or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV): what the functions, the tests and the command need (about a minute) ..."
	@$(PIP) -r functions/submit/requirements.txt -r functions/notify/requirements.txt -r requirements-dev.txt \
	  || $(NO_PACKAGES)
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

# PyTorch's own CPU index has no CUDA packages; where it can't be reached, the plain name will do.
$(HEAVY): $(LIGHT) gpu_job/requirements.txt
	@echo "Setting up $(VENV): torch and diffusers (a few minutes, about 1.6 GB) ..."
	@$(PIP) --retries 0 --timeout 15 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 2>/dev/null \
	  || $(PIP) torch==2.13.0 || $(NO_PACKAGES)
	@$(PIP) -r gpu_job/requirements.txt || $(NO_PACKAGES)
	@touch $@

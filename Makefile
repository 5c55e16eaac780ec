# `make help` lists the targets. `make test` runs everything that CI requires.

CARGO ?= cargo
# Prebuilt tools for Cargo, from PyPI.
TOOLS := target/tools/bin
# Without nextest, `cargo test` runs the same tests.
NEXTEST = $(shell [ -x $(TOOLS)/cargo-nextest ] && echo $(TOOLS)/cargo-nextest nextest run || echo $(CARGO) test --no-fail-fast)
# All but the tests of the transports and of the command line.
FAST := --lib --bins --test gateway --test catalog --test api
MAIN ?= main
export INTEROP_BINARY ?= target/debug/scope3-mcp
# Tests that need what this machine lacks add a line here.
export SKIPPED_TESTS := $(CURDIR)/target/skipped-tests

.PHONY: help check test lint format clippy fast unit interop image deny advisories unused tools mutants bench generated
.DEFAULT_GOAL := test

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.* ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

check: format clippy fast ## format, clippy and the fast tests: the daily loop

test: ## everything that CI requires: lint, unit, interop and image
	scripts/test

lint: format clippy deny unused ## format, clippy, documentation and dependencies
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	python3 docs/check-snippets.py

format: ## check the format of the Rust code
	$(CARGO) fmt --all --check

clippy: ## check the Rust code with clippy
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fast: tools ## the fast Rust tests, with fewer random schedules
	SCHEDULES=200 $(NEXTEST) --locked --workspace $(FAST)

unit: tools ## all Rust tests
	@rm -f $(SKIPPED_TESTS)
	$(NEXTEST) --locked --workspace
	$(CARGO) test --locked --workspace --doc --quiet
	@! [ -s $(SKIPPED_TESTS) ] || { echo 'make: skipped tests:'; sort -u $(SKIPPED_TESTS); } >&2

interop: ## the server against real MCP clients that others wrote
	$(CARGO) build --locked
	scripts/setup-interop
	tests/interop/run

image: ## the container image, built and run; needs root on Debian
	scripts/image-test

deny: tools ## check the licenses and sources of the dependencies
	$(TOOLS)/cargo-deny --log-level error check bans licenses sources

advisories: tools ## check the dependencies for known vulnerabilities; needs the network
	$(TOOLS)/cargo-deny --log-level error check advisories

unused: tools ## find unused dependencies
	$(TOOLS)/cargo-shear shear

# A failure here is no error: the tests run without these tools, and the other targets fail by themselves.
tools: ## install the tools for Cargo below target/tools
	@scripts/python-environment target/tools scripts/tools.txt || echo 'make: cannot install the tools for Cargo' >&2

mutants: ## mutate the lines changed since MAIN (main) and run the Rust tests; compiles cargo-mutants the first time
	[ -x target/mutants/bin/cargo-mutants ] || \
		$(CARGO) install cargo-mutants --version 27.1.0 --locked --root target/mutants
	git diff "$$(git merge-base $(MAIN) HEAD)" > target/mutants/changes.diff
	target/mutants/bin/cargo-mutants mutants --workspace --in-diff target/mutants/changes.diff --output target/mutants

# Not part of `test`: machines differ, and one machine differs from hour to hour. The program is built separately,
# because the features that the tests add to its dependencies make it larger and slower.
bench: ## speed, as ratios within one run
	$(CARGO) build --profile dist --locked
	cp target/dist/scope3-mcp target/bench-scope3-mcp
	BENCH_BINARY=$(CURDIR)/target/bench-scope3-mcp $(CARGO) bench --profile dist --locked
	$(CARGO) bench --profile dist --locked --package scope3-mcp-catalog

generated: ## update generated files: README tables, tools/schema.json, snapshots
	UPDATE_GENERATED=1 INSTA_UPDATE=always $(CARGO) test --locked --test gateway --test cli -- catalog readme
	UPDATE_GENERATED=1 $(CARGO) test --locked --package scope3-mcp-catalog -- schema

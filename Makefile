# `make test` is all that must pass; the other targets are its parts. `scripts/setup` installs or names what they need.

CARGO ?= cargo
export INTEROP_BINARY ?= target/debug/scope3-mcp

.PHONY: test lint unit interop image bench deny generated

test:
	scripts/test

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	python3 docs/check-snippets.py

unit:
	$(CARGO) test --locked --workspace --no-fail-fast

# Foreign clients, each a real process: scripts/setup-interop installs them.
interop:
	$(CARGO) build --locked
	scripts/setup-interop
	tests/interop/run

# The container image, built and run.
image:
	scripts/image-test

# Speed, as ratios within one run. Not part of `test`: machines differ, and differ from hour to hour.
# The program is built first by itself: what tests need of the dependencies makes it larger and slower.
bench:
	$(CARGO) build --profile dist --locked
	cp target/dist/scope3-mcp target/bench-scope3-mcp
	BENCH_BINARY=$(CURDIR)/target/bench-scope3-mcp $(CARGO) bench --profile dist --locked

# Licences, sources and bans of the dependencies; needs cargo-deny.
deny:
	$(CARGO) deny check bans licenses sources

# Writes what is made from the code and checked by tests: the tool table of the README, tools/schema.json, snapshots.
generated:
	UPDATE_GENERATED=1 INSTA_UPDATE=always $(CARGO) test --locked --test gateway --test cli -- catalog readme
	UPDATE_GENERATED=1 $(CARGO) test --locked --package scope3-mcp-catalog -- schema

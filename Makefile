# make demo   everything from nothing: set-up, build, and a run on drawn scenes
# make test   everything from nothing: set-up, build, all tests
# make build  the executable and its plugins in target/release
# make bench  speed and memory, as ratios of one run (tests/benches/proposals.py, which needs Python packages of its own, is run by hand)
# make bench-gpu   dist/bench-gpu.tar.gz: scripts/bench-gpu.sh and all it needs, for a machine with a GPU, Python and torch 2.11
# make docs   docs/recipe.md anew, from the plugins' own words
target := $(or $(CARGO_TARGET_DIR),target)
convert := $(target)/release/convert

.PHONY: demo test build bench bench-gpu docs setup setup-tests lint clean
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

bench: build
	cargo bench --profile release -p convert-tests --bench engine --bench memory

bench-gpu: build
	cargo build --release -p convert-backbones -p convert-maskcut --examples
	@scripts/pack-bench-gpu.sh "$(target)/release" dist/bench-gpu.tar.gz

lint: setup
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

clean:
	cargo clean
	rm -rf runs

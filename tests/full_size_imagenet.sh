#!/usr/bin/env bash
# recipes/imagenet.yaml whole, with randomly initialised checkpoints of the paper's five models at full size, on a folder of images in WordNet-id folders:
#
#   tests/full_size_imagenet.sh IMAGES WORK [LIMIT]        (LIMIT: 8 images by default)
#
# Not part of CI: it needs 8 GB of disk, and memory for ViT-g/14. The label maps are made up, so the selection keeps everything. Prints the peak memory.
# EPOCHS (1): each epoch of the paper's augmented training is a pass of ViT-L over every kept region, and 300 of them are nothing for a CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
images=$(realpath "$1") work=$2 limit=${3:-8}
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$work"
work=$(realpath "$work")

[ -f "$work/weights/done" ] || {
    cargo run --release --quiet -p convert-tests --example random_weights -- "$work/weights" >"$work/weights.sh"
    touch "$work/weights/done"
}
. "$work/weights.sh"
find "$images" -name '*.JPEG' -printf '%P\n' | while read -r image; do
    mkdir -p "$work/maps/$(dirname "$image")"
    cp plugins/selectors/tests/data/0.pt "$work/maps/${image%.JPEG}.pt"
done
DATA=$images TRAINING=augmented MAPS=$work/maps WORK=$work/run EPOCHS=${EPOCHS:-1} \
    python3 tests/peak_memory.py "$target/release/convert" --recipe recipes/imagenet.yaml --limit "$limit" --threads "${THREADS:-1}" \
    --set select.config.threshold=0

#!/bin/sh
# Files to begin with: scripts/fuzz-seeds.sh TARGET fills fuzz/corpus/TARGET from the tests' own data and from what was found before (fuzz/found/TARGET).
set -eu
cd "$(dirname "$0")/.."
target=$1
corpus=fuzz/corpus/$target
data=plugins/datasets/tests/data
mkdir -p "$corpus"
text() { printf '%s' "$2" >"$corpus/$1"; }
case $target in
masks)
    text compressed '{"size": [4, 5], "counts": "5220003"}'
    text runs '{"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}'
    text polygons '[[1, 1, 4.5, 1, 4, 3e1, -1, 3], [0, 0, 9, 0, 9, 9]]'
    ;;
coco) cp $data/coco/annotations.json "$corpus" ;;
labels)
    printf 'a/1.jpg\t0\t0,1\t0.9,0.8\n' >"$corpus/tsv"
    text real '[[1, 2], [], [999]]'
    text named '{"a.jpeg": ["1", 2], "b.jpeg": []}'
    text training '{"a": {"multilabel": [0.5, 1e-3], "gt": 1}}'
    cp $data/coco/annotations.json "$corpus/coco"
    ;;
tensors) cp sdk/formats/tests/data/*.p* plugins/selectors/tests/data/*.pt plugins/backbones/tests/data/module.features.safetensors "$corpus" ;;
images) cp $data/coco/images/0*.png "$corpus" ;;
tar) cp $data/webdataset/*.tar "$corpus" ;;
parquet) cp $data/parquet/*.parquet "$corpus" ;;
manifest)
    printf '0path,label\n1.png,a\n"2,.png",b\n' >"$corpus/csv"
    printf '1path\tlabel\n1.png\ta\n' >"$corpus/tsv"
    printf '2{"path": "1.png", "label": "a"}\n' >"$corpus/jsonl"
    ;;
recipe) cp recipes/*.yaml "$corpus" ;;
esac
if [ -d "fuzz/found/$target" ]; then cp "fuzz/found/$target"/* "$corpus"; fi

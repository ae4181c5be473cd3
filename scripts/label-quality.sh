#!/usr/bin/env bash
# Measures recipes/own-maps.yaml and its alternatives on images whose objects are known, and prints the table of docs/label-quality.md.
#
#   DATA=mosaic/train TRUTH=mosaic/truth.json scripts/label-quality.sh [CONVERT]
#
# WEIGHTS gives other weights than the recipe's, RECIPE another recipe: the page's tables are those of tests/recipes/vit-tiny-own-maps.yaml.
# All rows share the expensive stages and the cached features through one work directory (WORK, a temporary one by default).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
convert=${1:-$root/target/release/convert}
recipe=${RECIPE:-$root/recipes/own-maps.yaml}
: "${DATA:?the image folder}" "${TRUTH:?COCO JSON of the true objects}"
if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
fi
mkdir -p "$WORK"
export DATA WORK

printf '| labels | per-image AP, ≥ 2 objects | per-image AP | added labels: precision | recall |\n|---|---|---|---|---|\n'
row() {   # row LABEL INDEX SETTING…: a line of the table from the INDEXth row of the run's evaluation (0 single labels, 1 ours)
    local label=$1 index=$2 settings=()
    shift 2
    for setting in "$@"; do settings+=(--set "$setting"); done
    "$convert" --recipe "$recipe" --set "dataset.truth=$TRUTH" --set 'export=[{plugin: multilabel-tsv, file: labels.tsv}]' "${settings[@]}" \
        >"$WORK/log.txt" 2>&1 || { cat "$WORK/log.txt" >&2; exit 1; }
    python3 - "$label" "$index" "$WORK/evaluation.json" <<'PY'
import json, sys
label, index, file = sys.argv[1:]
row = json.load(open(file))["rows"][int(index)]
figures = [row[key] for key in ("per_image_ap_multi", "per_image_ap", "added_precision", "added_recall")]
print("| " + " | ".join([label, *("–" if figure is None else f"{figure:.3f}" for figure in figures)]) + " |", flush=True)
PY
}

# The whole image as its only region: the same head and training make a classifier of whole images.
whole=('proposals=[{plugin: grid, config: {cells: 1}}]' 'refine=[]' 'select={plugin: keep-largest}')
threshold() { echo "select.config={maps: own, keep: threshold, threshold: $1, rounds: 1}"; }
mask=(label.config.regions=mask label.config.heads=1)
row '(a) single labels' 0 "${mask[@]}"
row '(b) whole-image classifier, with the original label' 1 "${mask[@]}" "${whole[@]}"
row '(c) trained on all masks' 1 "${mask[@]}" "$(threshold 0)"
row '(d) trained on masks above 0.2' 1 "${mask[@]}" "$(threshold 0.2)"
row '(d) trained on masks above 0.5' 1 "${mask[@]}" "$(threshold 0.5)"
row "(d) trained on masks above 0.75, the paper's threshold" 1 "${mask[@]}" "$(threshold 0.75)"
row '(e) trained on the best region of each image' 1 "${mask[@]}" 'select.config={maps: own, keep: best, rounds: 1}'
row '(f) the best region, chosen in three rounds' 1 "${mask[@]}"
row '(g) the same, regions seen in crops' 1 label.config.heads=1
row '(h) the same, three heads' 1

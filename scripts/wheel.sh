#!/usr/bin/env bash
# Packs a build into a wheel: wheel.sh BUILD_FOLDER FOLDER. It takes libtorch from the torch package that pip installs beside it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
build=$1
mkdir -p "$2"
target=$(cd "$2" && pwd)
limit=$((40 << 20))
die() { printf 'wheel: %s\n' "$*" >&2; exit 1; }

"$root/scripts/wheel-tools.sh"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
CONVERT_GLIBC=$("$root/scripts/stage.sh" "$build" "$place/tree")
export CONVERT_GLIBC CONVERT_STAGE=$place/tree
log=$(cd "$root/sdk/python" && "$cache/wheel-tools/bin/python" -m hatchling build -t wheel -d "$place/wheel" 2>&1) || die "$log"
wheel=$(ls "$place"/wheel/*.whl)
size=$(stat -c %s "$wheel")
[ "$size" -le "$limit" ] || die "$(basename "$wheel") has $size bytes, more than $limit"
mv "$wheel" "$target/"
printf '%s: %s MiB of at most %s, %s MiB unpacked; needs glibc %s and torch 2.11\n' "$target/$(basename "$wheel")" $((size >> 20)) $((limit >> 20)) \
    $(($(du -sb "$place/tree" | cut -f 1) >> 20)) "$CONVERT_GLIBC"
printf 'Next:\n    pip install %q\n    python -m convert_labels recipes\n    convert-labels --recipe recipes/demo.yaml\n' "$target/$(basename "$wheel")"

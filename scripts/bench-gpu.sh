#!/usr/bin/env bash
# A CUDA device beside the CPU of the same machine, within ten minutes: first whether both give the same (features, masks, labels), then images a second.
#
#   make bench-gpu                                     dist/bench-gpu.tar.gz, for a machine with Python and its torch 2.11, but no Rust
#   tar xzf bench-gpu.tar.gz && bench-gpu/scripts/bench-gpu.sh [--device cuda[:N]|cpu] [--small] [--seconds N]
#
# libtorch is LIBTORCH's, else that of the Python package torch, else the one that the build found. In the repository the build folder is BUILD, target/release by default.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
die() { printf 'bench-gpu: %s\n' "$*" >&2; exit 1; }
command -v python3 >/dev/null || die "python3 is missing"

if [ -x "$root/convert" ]; then   # the pack
    convert=$root/convert tools=$root data=$root/data
else
    build=${BUILD:-${CARGO_TARGET_DIR:-$root/target}/release}
    convert=$build/convert tools=$build/examples data=$root/plugins/backbones/tests/data
    [ -x "$convert" ] && [ -x "$tools/throughput" ] && [ -x "$tools/measure" ] \
        || die "$build is not built: run \`make build\`, then \`cargo build --release -p convert-backbones -p convert-maskcut --examples\`"
fi

torch=${LIBTORCH:-$(python3 -c '
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec else "")')}
if [ -n "$torch" ]; then
    [ -e "$torch/lib/libtorch_cpu.so" ] || die "$torch has no lib/libtorch_cpu.so: install torch 2.11, or set LIBTORCH to its folder"
    path=$torch/lib
    # The wheels' CUDA libraries, which libtorch looks for beside itself.
    for folder in "$(dirname "$torch")"/nvidia/*/lib; do [ ! -d "$folder" ] || path=$path:$folder; done
    export LD_LIBRARY_PATH=$path:$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
elif [ -d "$root/lib" ]; then
    export LD_LIBRARY_PATH=$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
exec python3 "$root/scripts/bench-gpu.py" --convert "$convert" --tools "$tools" --data "$data" "$@"

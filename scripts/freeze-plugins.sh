#!/usr/bin/env bash
# Freezes the sdk and a plugin of every role, as they are now, into tests/frozen/VERSION, for the test that later converts load them (docs/abi.md).
# Usage: scripts/freeze-plugins.sh VERSION, after `make build`. What is frozen is never changed again.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: scripts/freeze-plugins.sh VERSION}
folder=tests/frozen/$version
[ ! -e "$folder" ] || { echo "error: $folder is there already: what is frozen is never changed" >&2; exit 1; }
convert=${CARGO_TARGET_DIR:-target}/release/convert

sdk=$folder/sdk-$version
mkdir -p "$sdk" "$folder/plugins"
cp -r sdk/Cargo.toml sdk/src sdk/abi sdk/macros "$sdk"
sed -i '/^\[dev-dependencies\]/,$d' "$sdk/Cargo.toml"
needed=$(sed -n 's/^\([a-z_-]*\)\.workspace = true$/\1/p' "$sdk"/Cargo.toml "$sdk"/*/Cargo.toml | sort -u | paste -sd'|' | sed 's/|/\\|/g')
{
    echo '[workspace]'
    echo 'resolver = "3"'
    echo "members = [\"sdk-$version\", \"plugins/*\"]"
    echo
    sed -n '/^\[workspace.package\]/,/^$/p' Cargo.toml
    echo '[workspace.dependencies]'
    sed -n '/^\[workspace.dependencies\]/,/^$/p' Cargo.toml | grep "^\($needed\) = " | sed "s|path = \"sdk|path = \"sdk-$version|"
    echo
    sed -n '/^\[workspace.lints.rust\]/,/^# One/p' Cargo.toml | grep -v '^# One'
} >"$folder/Cargo.toml"
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
for role in dataset proposer refiner selector labeler postprocessor exporter extractor; do
    "$convert" plugins new "$role" "my-$role" --dir "$elsewhere/my-$role" >/dev/null
    mv "$elsewhere/my-$role" "$folder/plugins"
    sed -i "s|^convert-sdk = .*|convert-sdk = { path = \"../../sdk-$version\" }|; /^\[workspace\]/d; /^\[dev-dependencies\]/,\$d" "$folder/plugins/my-$role/Cargo.toml"
    sed -i '/^#\[cfg(test)\]/,$d' "$folder/plugins/my-$role/src/lib.rs"
done
cp Cargo.lock "$folder"
(cd "$folder" && cargo metadata --offline --format-version 1 >/dev/null)   # leaves in Cargo.lock what is needed

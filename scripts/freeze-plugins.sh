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
mkdir -p "$sdk"
cp -r sdk/Cargo.toml sdk/src sdk/abi sdk/macros "$sdk"
{
    echo '[workspace]'
    echo 'resolver = "3"'
    echo "members = [\"sdk-$version\", \"plugins/*\"]"
    sed -n '/^\[workspace.package\]/,/^\[profile/p' Cargo.toml | grep -v '^\[profile' | sed "s|path = \"sdk|path = \"sdk-$version|"
} >"$folder/Cargo.toml"
sed -i '/^convert-backbones\|^convert-formats/d' "$folder/Cargo.toml"
for role in dataset proposer refiner selector labeler postprocessor exporter extractor; do
    "$convert" plugins new "$role" "my-$role" --dir "$folder/plugins/my-$role" >/dev/null
    sed -i "s|^convert-sdk = .*|convert-sdk = { path = \"../../sdk-$version\" }|; /^\[workspace\]/d" "$folder/plugins/my-$role/Cargo.toml"
done
cp Cargo.lock "$folder"
(cd "$folder" && cargo metadata --offline --format-version 1 >/dev/null)   # leaves in Cargo.lock what is needed

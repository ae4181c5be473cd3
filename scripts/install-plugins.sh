#!/usr/bin/env bash
# Puts the plugin libraries of a build folder into its `plugins` folder, where `convert` beside it looks for them.
set -euo pipefail
folder=$1
mkdir -p "$folder/plugins"
rm -f "$folder"/plugins/*.so "$folder"/plugins/*.dylib
for library in "$folder"/libconvert_*.so "$folder"/libconvert_*.dylib; do
    [ -e "$library" ] || continue
    case $library in
        *libconvert_sdk.*|*libconvert_backbones.*|*libconvert_test_*) ;;   # no plugins, or those that only tests load
        *) ln "$library" "$folder/plugins/" 2>/dev/null || cp "$library" "$folder/plugins/" ;;
    esac
done

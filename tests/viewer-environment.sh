#!/usr/bin/env bash
# The build tools of the viewer's page (host/viewer) in the cache, for tests/tests/viewer_page.rs; prints the folder of their node_modules. 0.1 GB of downloads, once; CONVERT_NODE=0 does without.
set -euo pipefail
cd "$(dirname "$0")/../host/viewer"
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/viewer
[ "${CONVERT_NODE:-1}" != 0 ] || { echo "CONVERT_NODE=0 says to do without Node" >&2; exit 1; }
command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "there is no Node 20 or newer here" >&2; exit 1; }
mkdir -p "$cache"
# Tests ask for it at the same time.
exec 9>"$place.lock"
flock 9
if ! cmp -s package-lock.json "$place/package-lock.json" || [ ! -f "$place/whole" ]; then
    rm -rf "$place"
    mkdir -p "$place"
    cp package.json package-lock.json .npmrc "$place/"
    (cd "$place" && npm ci --no-audit --no-fund >&2) || { rm -rf "$place"; echo "the page's build tools cannot be installed here" >&2; exit 1; }
    touch "$place/whole"
fi
echo "$place/node_modules"

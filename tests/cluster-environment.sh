#!/usr/bin/env bash
# A virtual environment with Ray, and moto as a bucket on this machine, in the cache, for tests/tests/cluster.rs, object_storage.rs and bucket_runs.rs; prints its Python. 0.1 GB of downloads, once;
# CONVERT_CLUSTER=0 does without.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/cluster
wanted="ray[default]==2.60.0 moto[server]==5.2.5 boto3==1.44.8"
mkdir -p "$cache"
# Tests ask for it at the same time.
exec 9>"$place.lock"
flock 9
if [ "$(cat "$place/wanted" 2>/dev/null)" != "$wanted" ]; then
    [ "${CONVERT_CLUSTER:-1}" != 0 ] || { echo "there is no $place, and CONVERT_CLUSTER=0 says to do without" >&2; exit 1; }
    rm -rf "$place"
    python3 -m venv "$place/venv"
    # shellcheck disable=SC2086
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir $wanted >&2 || { rm -rf "$place"; echo "Ray and moto cannot be installed here" >&2; exit 1; }
    echo "$wanted" >"$place/wanted"
fi
echo "$place/venv/bin/python"

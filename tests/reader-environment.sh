#!/usr/bin/env bash
# A virtual environment with the PyPI packages that read our exports back, in the cache, for tests/tests/readers.rs; prints its folder. Half a gigabyte of downloads, so only
# once, with CONVERT_READERS=1.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/readers
wanted="datasets==5.2.0 webdataset==1.0.2 pycocotools==2.0.11 label-studio-sdk==2.1.2 datumaro==1.13.12 opencv-python-headless==4.12.0.88 pyyaml==6.0.4"
if [ "$(cat "$place/wanted" 2>/dev/null)" != "$wanted" ]; then
    [ "${CONVERT_READERS:-}" = 1 ] || { echo "there is no $place: CONVERT_READERS=1 makes it (half a gigabyte of downloads)" >&2; exit 1; }
    rm -rf "$place"
    python3 -m venv "$place/venv"
    # shellcheck disable=SC2086
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir $wanted >&2
    echo "$wanted" >"$place/wanted"
fi
echo "$place/venv"

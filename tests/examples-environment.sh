#!/usr/bin/env bash
# A virtual environment with transformers, scikit-learn and scikit-image beside the torch of torch-environment.sh, in the cache, for docs/examples/python; prints its Python. 0.2 GB of downloads, so only once,
# with CONVERT_EXAMPLES=1.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/examples
torch=$("$(dirname "$0")/torch-environment.sh")
wanted="transformers==5.24.0 torchvision==0.26.0 pycocotools==2.0.11 scikit-learn==1.9.1 scikit-image==0.26.0"
if [ "$(cat "$place/wanted" 2>/dev/null)" != "$wanted" ]; then
    [ "${CONVERT_EXAMPLES:-}" = 1 ] || { echo "there is no $place: CONVERT_EXAMPLES=1 makes it (0.2 GB of downloads)" >&2; exit 1; }
    rm -rf "$place"
    python3 -m venv "$place/venv"
    site=$("$place/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$torch/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/torch.pth"
    # torchvision's own torch would be another one.
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir --no-deps torchvision==0.26.0 >&2
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir transformers==5.24.0 pycocotools==2.0.11 scikit-learn==1.9.1 scikit-image==0.26.0 >&2
    echo "$wanted" >"$place/wanted"
fi
echo "$place/venv/bin/python"

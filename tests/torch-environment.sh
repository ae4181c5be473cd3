#!/usr/bin/env bash
# A virtual environment with PyPI's torch 2.11, in the cache, for tests/tests/wheel.rs; prints its folder. some 2 GB of downloads, 3.7 GB on disk, so only once, with CONVERT_WHEEL=1.
# PyPI has torch for CUDA alone. Of what it declares, these are the libraries that `import torch` and libtorch_cuda.so load; none of them needs a GPU for that.
# cusolver, nvrtc, nvtx, cuda-bindings and triton are loaded when something uses them.
set -euo pipefail
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
place=$cache/wheel-test
wanted="torch==2.11.0 nvidia-cublas==13.1.0.3 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85 nvidia-cufft==12.0.0.61 nvidia-cufile==1.15.1.6
nvidia-curand==10.4.0.35 nvidia-cusparse==12.6.3.3 nvidia-nvjitlink==13.0.88 nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9
nvidia-nvshmem-cu13==3.4.5 filelock typing-extensions sympy mpmath networkx jinja2 markupsafe fsspec numpy pyarrow pillow"
if [ "$(cat "$place/wanted" 2>/dev/null)" != "$wanted" ]; then
    [ "${CONVERT_WHEEL:-}" = 1 ] || { echo "there is no $place: CONVERT_WHEEL=1 makes it (some 2 GB of downloads)" >&2; exit 1; }
    rm -rf "$place"
    python3 -m venv "$place/venv"
    # shellcheck disable=SC2086
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir --no-deps --no-compile $wanted >&2
    echo "$wanted" >"$place/wanted"
fi
echo "$place/venv"

#!/usr/bin/env bash
# Brings what the build needs, except Rust, and respects what is already there:
#   OpenCV (core + imgproc) and clang   pkg-config's OpenCV, else installed Debian packages, else apt-get
#   nasm, on x86                        an installed one, else apt-get; without it JPEG files are decoded without vector instructions
#   libtorch 2.11                       $LIBTORCH, else an installed PyTorch 2.11, else PyPI's wheel (CPU part), cached outside the repository
#   Python with pycocotools             only with --python (the tests need it), in a virtual environment in the cache
# Writes .cargo/config.toml (ignored by git), so that a plain `cargo build` finds all of it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${CONVERT_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/convert}
torch_version=2.11.0
mkdir -p "$cache" "$root/.cargo"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

work=   # a download in progress
trap 'if [ -n "$work" ]; then rm -rf "$work"; fi' EXIT

# ---- Rust -----------------------------------------------------------------------------------------------------------
rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
for tool in cargo rustc; do
    command -v "$tool" >/dev/null || die "$tool is missing: install Rust $rust or newer from https://rustup.rs"
    version=$(cd "$root" && "$tool" --version 2>/dev/null) || die "$tool does not start: install Rust $rust or newer from https://rustup.rs"
    version=${version#"$tool "}
    version=${version%%[ -]*}
    [ "$(printf '%s\n' "$rust" "$version" | sort -V | head -n 1)" = "$rust" ] \
        || die "$tool $version is too old: Rust $rust or newer is needed, from https://rustup.rs (rustup update)"
done

# ---- Debian packages ------------------------------------------------------------------------------------------------
apt_updated=
apt_install() {
    command -v apt-get >/dev/null || die "missing: $*; install them with this system's package manager, then start again"
    local sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing: $*; as root, run: apt-get install $*"
        sudo=sudo
    fi
    [ -n "$apt_updated" ] || { say "apt-get update"; $sudo apt-get update -qq; apt_updated=1; }
    say "apt-get install $*"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

have_debian_opencv() { [ -f /usr/include/opencv4/opencv2/imgproc.hpp ] && ls /usr/lib/*/libopencv_imgproc.so >/dev/null 2>&1; }
have_pkgconfig_opencv() { command -v pkg-config >/dev/null && pkg-config --exists opencv4; }

packages=()
command -v cc >/dev/null && command -v c++ >/dev/null || packages+=(build-essential)
command -v clang >/dev/null || packages+=(clang)
command -v python3 >/dev/null || packages+=(python3)   # scripts/install-plugins.sh, and what follows
case $(uname -m) in
    x86_64 | i?86)
        if ! command -v nasm >/dev/null; then
            if command -v apt-get >/dev/null; then packages+=(nasm); else say "nasm is missing: JPEG files will be decoded at a fraction of the speed"; fi
        fi ;;
esac
have_pkgconfig_opencv || have_debian_opencv || packages+=(libopencv-core-dev libopencv-imgproc-dev)
[ ${#packages[@]} = 0 ] || apt_install "${packages[@]}"

# ---- libtorch -------------------------------------------------------------------------------------------------------
torch_dir_ok() { [ -e "$1/lib/libtorch_cpu.so" ] && [ -f "$1/include/torch/csrc/api/include/torch/torch.h" ]; }

installed_pytorch() {   # prints the folder of an installed PyTorch of the right version
    python3 - "$torch_version" 2>/dev/null <<'PY'
import importlib.util, pathlib, re, sys
spec = importlib.util.find_spec("torch")
folder = pathlib.Path(spec.origin).parent
version = re.search(r"__version__ = '([0-9.]+)", (folder / "version.py").read_text()).group(1)
sys.exit(1) if version.rsplit(".", 1)[0] != sys.argv[1].rsplit(".", 1)[0] else print(folder)
PY
}

download_libtorch() {   # PyPI's wheel, trimmed to the CPU libraries and the headers
    local target=$1
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "no ready libtorch for $(uname -s) $(uname -m): install PyTorch $torch_version with pip, or set LIBTORCH"
    work=$(mktemp -d "$cache/libtorch.XXXXXX")
    say "downloading libtorch $torch_version (530 MB, once)"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 \
        --platform manylinux_2_28_x86_64 -d "$work/wheels" "torch==$torch_version"
    python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work/wheels" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
    echo "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a  $(ls "$work"/wheels/torch-*.whl)" | sha256sum -c --quiet - \
        || die "the torch wheel's checksum is wrong: delete $cache and start again"
    python3 - "$work" <<'PY'
import pathlib, re, sys, zipfile
work = pathlib.Path(sys.argv[1])
wanted = re.compile(r"torch/include/|torch/lib/(libtorch_cpu\.so|libc10\.so|libgomp\.so\.1)$|nvidia/cu13/lib/(libcudart\.so\.13|libcupti\.so\.13)$")
for wheel in (work / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "unpacked", [n for n in archive.namelist() if wanted.match(n)])
PY
    echo 'INPUT(-ltorch_cpu)' >"$work/unpacked/torch/lib/libtorch.so"
    echo "$torch_version" >"$work/unpacked/torch/build-version"
    rm -rf "$target"
    mv "$work/unpacked" "$target"
    rm -rf "$work"
    work=
}

if [ -n "${LIBTORCH:-}" ]; then
    torch_dir_ok "$LIBTORCH" || die "LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so and headers: correct it, or unset it"
    libtorch=$(cd "$LIBTORCH" && pwd)
elif libtorch=$(installed_pytorch) && torch_dir_ok "$libtorch"; then
    say "using the installed PyTorch in $libtorch"
else
    libtorch=$cache/libtorch-$torch_version/torch
    torch_dir_ok "$libtorch" && [ -f "$libtorch/build-version" ] || download_libtorch "$(dirname "$libtorch")"
fi
mkdir -p "$root/vendor/libtorch"
ln -sfn "$libtorch" "$root/vendor/libtorch/torch"

# ---- what cargo must know -------------------------------------------------------------------------------------------
{
    echo '# Written by scripts/setup.sh; git ignores it.'
    echo '[env]'
    # Forced: a relative $LIBTORCH would mean another folder in each build script. Not vendor/: what is built must not depend on the checkout.
    echo "LIBTORCH = { value = \"$libtorch\", force = true }"
    if [ ! -f "$libtorch/build-version" ]; then echo 'LIBTORCH_BYPASS_VERSION_CHECK = "1"'; fi
    if ! have_pkgconfig_opencv; then
        libs=$(dirname "$(ls /usr/lib/*/libopencv_imgproc.so | head -n 1)")
        echo 'OPENCV_LINK_LIBS = "opencv_imgproc,opencv_core"'
        echo "OPENCV_LINK_PATHS = \"$libs\""
        echo "OPENCV_INCLUDE_PATHS = \"/usr/include/opencv4,/usr/include/$(basename "$libs")/opencv4\""
    fi
} >"$root/.cargo/config.toml.new"
cmp -s "$root/.cargo/config.toml.new" "$root/.cargo/config.toml" && rm "$root/.cargo/config.toml.new" || mv "$root/.cargo/config.toml.new" "$root/.cargo/config.toml"

# ---- Python for the tests -------------------------------------------------------------------------------------------
if [ "${1:-}" = --python ]; then
    if ! "$cache/venv/bin/python" -c 'import pycocotools, numpy, pyarrow, PIL; assert int(PIL.__version__.split(".")[0]) >= 13' 2>/dev/null; then
        python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3-venv
        say "Python packages for the tests (pycocotools, pyarrow)"
        rm -rf "$cache/venv"
        python3 -m venv "$cache/venv"
        "$cache/venv/bin/python" -m pip install -q --disable-pip-version-check numpy pyarrow pycocotools 'pillow>=13'
    fi
    # What an older environment in the cache lacks.
    "$cache/venv/bin/python" -c 'import jsonschema' 2>/dev/null || "$cache/venv/bin/python" -m pip install -q --disable-pip-version-check 'jsonschema>=4.26'
    ln -sfn "$cache/venv" "$root/vendor/venv"
fi

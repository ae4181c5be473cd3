#!/usr/bin/env python3
"""MaskCut and the dense CRF against scipy and pydensecrf: ratios of one run on one machine, each photo measured by both sides in turn.

    cargo build --release -p convert-maskcut --example measure
    python tests/benches/proposals.py --venv DIR --measure target/release/examples/measure --weights FILE --photos FOLDER

DIR is a folder outside the repository; the reference's packages are installed there once. FILE is a ViT with DINO's tensor names and patches of 16. The reference
is scipy.linalg.eigh(D - A, D, subset_by_index=[1, 2]), which CutLER and TokenCut call, on all cores; pydensecrf, which uses one; and for the whole chain CutLER's
steps from features to masks of the photo's size. Ours is one image on one thread, and beside it as many images at once as there are cores, as in a run.
"""
import argparse
import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--venv", required=True)
parser.add_argument("--measure", required=True)
parser.add_argument("--weights", required=True)
parser.add_argument("--photos", required=True)
parser.add_argument("--count", type=int, default=20, help="photos, spread evenly over the folder")
parser.add_argument("--only", default="ncut2304,ncut3600,crf,chain")
args = parser.parse_args()

python = os.path.join(args.venv, "bin", "python")
if os.path.realpath(sys.prefix) != os.path.realpath(args.venv):
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", args.venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run(pip + ["numpy<2", "cython", "setuptools", "wheel", "scipy", "pillow"], check=True)
        subprocess.run(pip + ["--no-build-isolation", "pydensecrf2"], check=True)
    os.execv(python, [python, *sys.argv])

import numpy as np
import pydensecrf.densecrf as dcrf
import scipy.linalg
from PIL import Image
from scipy import ndimage

ours = subprocess.Popen([args.measure, args.weights], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
threads = os.cpu_count() or 1


def ask(*words):
    ours.stdin.write(" ".join(map(str, words)) + "\n")
    ours.stdin.flush()
    return [float(word) for word in ours.stdout.readline().split()]


def timed(work):
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1e3, result


def affinity(features, tau):
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    matrix = np.where(unit @ unit.T > tau, 1.0, 1e-5)
    return np.diag(matrix.sum(1)), matrix


def eigenvectors(degrees, matrix):
    return scipy.linalg.eigh(degrees - matrix, degrees, subset_by_index=[1, 2])


def component(vector, side):
    above = vector > vector.mean()
    seed = int(np.argmax(np.abs(vector)))
    square = above.reshape(side, side)
    corners = int(square[0, 0]) + int(square[0, -1]) + int(square[-1, 0]) + int(square[-1, -1])
    if corners >= 3 or not above[seed]:
        above, seed = ~above, int(np.argmax(-vector))
    else:
        seed = int(np.argmax(vector))
    labels, _ = ndimage.label(above.reshape(side, side))
    return labels == labels.ravel()[seed] if above[seed] else np.zeros((side, side), bool)


def maskcut(features, side, tau, count):
    features, masks = features.copy(), []
    for _ in range(count):
        mask = component(eigenvectors(*affinity(features, tau))[1][:, 0], side)
        if masks:
            union = (mask | masks[-1]).sum()
            if (mask & masks[-1]).sum() > 0.5 * union or mask.mean() <= 0.01:
                mask = np.zeros_like(mask)
        features[mask.ravel()] = 0
        masks.append(mask)
    return masks


def crf(image, mask):
    height, width = mask.shape
    pair = np.exp(np.stack([1 - mask, mask]).astype(np.float32))
    unary = -np.log(np.clip(pair / pair.sum(0), 1e-5, 1)).reshape(2, -1).astype(np.float32)
    model = dcrf.DenseCRF2D(width, height, 2)
    model.setUnaryEnergy(np.ascontiguousarray(unary))
    model.addPairwiseGaussian(sxy=3, compat=7)
    model.addPairwiseBilateral(sxy=50, srgb=5, rgbim=np.ascontiguousarray(image), compat=10)
    return np.argmax(np.array(model.inference(10)).reshape(2, height, width), axis=0)


def chain(photo, features, side, tau, count):
    size = side * 16
    image = np.array(photo.resize((size, size), Image.LANCZOS))
    covered, final = np.zeros((size, size), bool), []
    for mask in maskcut(features, side, tau, count):
        mask = np.kron(mask, np.ones((16, 16), bool)).astype(bool)
        visible, covered = mask & ~covered, covered | mask
        refined = ndimage.binary_fill_holes(crf(image, visible.astype(np.float32)))
        union = (refined | visible).sum()
        if union and (refined & visible).sum() >= 0.5 * union:
            resized = np.asarray(Image.fromarray(np.uint8(refined * 255)).resize(photo.size))
            final.append(resized > resized.max() / 2)
    return final


def report(name, pairs):
    reference, own = (statistics.median(side) for side in zip(*pairs))
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    # On a machine with other work to do, scipy's threads wait for one another: its fastest photo is the lower bound.
    least = min(theirs for theirs, _ in pairs)
    print(f"{name}: reference {reference:.1f} ms, ours {own:.1f} ms, ratio {ratio:.1f} (medians over {len(pairs)} photos); "
          f"the reference's fastest photo {least:.1f} ms, {least / own:.1f} times our median", flush=True)


files = sorted(glob.glob(os.path.join(args.photos, "*.jpg")))
files = [files[at * len(files) // args.count] for at in range(args.count)]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "features")

    def read(photo, size):
        side = int(ask("features", photo, size, path)[0])
        return side, np.fromfile(path, np.float32).reshape(side * side, -1)

    for size in (768, 960):
        if f"ncut{(size // 16) ** 2}" not in args.only:
            continue
        eigen, whole = [], []
        for photo in files:
            side, features = read(photo, size)
            ours_affinity, ours_eigen, lambda2, gap = ask("ncut", path, side, 0.4)
            built, (degrees, matrix) = timed(lambda: affinity(features, 0.4))
            solved, (values, _) = timed(lambda: eigenvectors(degrees, matrix))
            assert abs(values[0] - lambda2) < 1e-4, (values, lambda2)
            eigen.append((solved, ours_eigen))
            whole.append((built + solved, ours_affinity + ours_eigen))
        report(f"NCut, n = {side * side}, eigenvector", eigen)
        report(f"NCut, n = {side * side}, affinity and eigenvector", whole)

    if "crf" in args.only:
        single, many = [], []
        for photo in files:
            image = np.array(Image.open(photo).convert("RGB").resize((480, 480), Image.LANCZOS))
            random = np.random.default_rng(len(single))
            grids = []
            for _ in range(3):
                top, left, height, width = *random.integers(0, 15, 2), *random.integers(6, 15, 2)
                grids.append(np.zeros((30, 30), np.uint8))
                grids[-1][top:top + height, left:left + width] = 1
            texts = ["".join(map(str, grid.ravel())) for grid in grids]
            one = ask("crf", photo, 480, 1, 30, *texts)[0]
            theirs, _ = timed(lambda: [crf(image, np.kron(grid, np.ones((16, 16))).astype(np.float32)) for grid in grids])
            single.append((theirs, one))
            many.append((theirs, ask("crf", photo, 480, threads, 30, *texts)[0]))
        report("CRF, 3 masks of an image of 480x480, one thread", single)
        report(f"CRF, the same, {threads} images at once on {threads} threads, an image", many)

    if "chain" in args.only:
        single, many = [], []
        for photo in files:
            side, features = read(photo, 480)
            opened = Image.open(photo).convert("RGB")
            opened.load()
            one = ask("chain", photo, path, side, 0.4, 3, 1)[0]
            theirs, _ = timed(lambda: chain(opened, features, side, 0.4, 3))
            single.append((theirs, one))
            many.append((theirs, ask("chain", photo, path, side, 0.4, 3, threads)[0]))
        report("Propose and refine, S = 480, 3 masks, one thread", single)
        report(f"Propose and refine, the same, {threads} images at once on {threads} threads, an image", many)
ours.stdin.close()
ours.wait()

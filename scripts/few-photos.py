#!/usr/bin/env python3
"""Top-1 of `head: auto` with few photos a class, beside nearest class means and scikit-learn's logistic regression on the same vectors: the table of docs/label-quality.md.

    scripts/few-photos.py --photos PHOTOS --weights vit_tiny_patch16_224.safetensors --work DIR [--convert EXECUTABLE]

PHOTOS has a folder a class. With 1, 5 and half of the photos a class (--shots; 0 for half) the head learns, and is asked about the others; three draws. The vectors are
those of the labeler: of each photo as a whole, its class token and mean and deviation of its patches. Needs numpy, scikit-learn and safetensors.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

ROOT = Path(__file__).resolve().parent.parent
RECIPE = """version: 1
work_dir: run
dataset: {{ plugin: image-folder, root: "${{DATA}}" }}
proposals: [{{ plugin: grid, config: {{ cells: 1 }} }}]
select: {{ plugin: keep-largest }}
label:
  plugin: mlp-head
  config: {{ backbone: {{ family: dinov1, weights: "{weights}", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }}, input_size: 224, regions: crop, head: auto }}
aggregate: {{ mode: soft, global: none }}
export: [{{ plugin: multilabel-tsv, file: labels.tsv }}]
"""


def run(a, data, work, *settings):
    arguments = [a.convert, "--recipe", str(a.work / "recipe.yaml"), "--work-dir", str(work), *(x for s in settings for x in ("--set", s))]
    subprocess.run(arguments, env={**os.environ, "DATA": str(data)}, check=True, stderr=subprocess.DEVNULL)


def link(photos, target):
    for photo in photos:
        to = target / photo.parent.name / photo.name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.symlink_to(photo.resolve())


def top1(file):
    hits = []
    for line in file.read_text().splitlines():
        _, label, classes, probabilities = line.split("\t")
        hits.append(int(classes.split(",")[int(np.argmax([float(p) for p in probabilities.split(",")]))]) == int(label))
    return float(np.mean(hits))


def baselines(train, labels, test, truth, shots):
    """Top-1 by name. One photo a class cannot be cross-validated: C is then 1, scikit-learn's default."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    for name, (x, z) in {"": (train, test), ", standardised": ((train - mean) / deviation, (test - mean) / deviation)}.items():
        means = np.stack([x[labels == c].mean(0) for c in np.unique(labels)])
        unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
        yield "nearest class mean, Euclidean" + name, (((z[:, None] - means) ** 2).sum(2).argmin(1) == truth).mean()
        yield "nearest class mean, cosine" + name, ((unit(z) @ unit(means).T).argmax(1) == truth).mean()
        folds = min(5, np.bincount(labels).min())
        model = LogisticRegression(max_iter=1000) if folds < 2 else LogisticRegressionCV(Cs=10, cv=folds, max_iter=1000)
        yield "logistic regression" + name, (model.fit(x, labels).predict(z) == truth).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--convert", default=str(ROOT / "target/release/convert"))
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 0])
    parser.add_argument("--draws", type=int, default=3)
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    a.work.mkdir(parents=True, exist_ok=True)
    (a.work / "recipe.yaml").write_text(RECIPE.format(weights=a.weights.resolve()))
    classes = sorted(folder for folder in a.photos.iterdir() if folder.is_dir())
    photos = {folder.name: sorted(folder.iterdir()) for folder in classes}

    run(a, a.photos.resolve(), a.work / "all")
    vectors = a.work / "vectors.safetensors"
    subprocess.run([a.convert, "evaluate", "neighbours", str(a.work / "all"), "--vectors", str(vectors)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with safe_open(vectors, "np") as file:
        all_vectors, all_labels = file.get_tensor("images"), file.get_tensor("image_labels")
        place = {name: i for i, name in enumerate(json.loads(file.metadata()["ids"]))}

    for shots in a.shots:
        rows = {}
        for draw in range(a.draws):
            rng, train, test = random.Random(draw * 100 + shots), [], []
            for name in photos:
                shuffled = list(photos[name])
                rng.shuffle(shuffled)
                count = shots or len(shuffled) // 2
                train += shuffled[:count]
                test += shuffled[count:]
            folder = a.work / f"{shots or 'half'}-{draw}"
            shutil.rmtree(folder, ignore_errors=True)
            link(train, folder / "train")
            link(test, folder / "test")
            run(a, folder / "train", folder / "run")
            checkpoint, = (folder / "run/stages").glob("train-*/head.safetensors")
            run(a, folder / "test", folder / "labels", f"label.checkpoint={checkpoint}")
            rows.setdefault("head: auto", []).append(top1(folder / "labels/labels.tsv"))
            of = lambda files: np.array([place[f"{f.parent.name}/{f.name}"] for f in files])
            for name, value in baselines(all_vectors[of(train)], all_labels[of(train)], all_vectors[of(test)], all_labels[of(test)], shots):
                rows.setdefault(name, []).append(float(value))
        print(f"{shots or 'half of the'} photos a class")
        for name, values in rows.items():
            print(f"  {name:46} {np.mean(values):.3f}   {', '.join(f'{v:.3f}' for v in values)}", flush=True)


main()

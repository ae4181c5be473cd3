#!/usr/bin/env python3
"""Plants label errors in an image folder, and says how well `convert audit` ranks them, beside cleanlab on the same models: the table of docs/trust.md.

    scripts/audit-proof.py --photos PHOTOS [--truth truth.json] --weights vit_tiny_patch16_224.safetensors --work DIR [--convert EXECUTABLE]

PHOTOS has a folder a class. The label of 5 per cent of the images is swapped for another class at random (--share, --seed), one that the image does not show where
a truth (COCO form) says what it shows. tests/recipes/vit-tiny-own-maps.yaml runs with five folds and knows nothing of it. Needs numpy, pyarrow and cleanlab.
"""
import argparse
import json
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

ROOT = Path(__file__).resolve().parent.parent


def plant(a):
    """Links the images into DIR/planted, some under another class; the ids of these."""
    rng = random.Random(a.seed)
    classes = sorted(folder.name for folder in a.photos.iterdir() if folder.is_dir())
    shown = {}
    if a.truth:
        truth = json.loads(a.truth.read_text())
        names = {c["id"]: c["name"] for c in truth["categories"]}
        files = {image["id"]: image["file_name"] for image in truth["images"]}
        for o in truth["annotations"]:
            shown.setdefault(files[o["image_id"]], set()).add(names[o["category_id"]])
    images = [(c, file.name) for c in classes for file in sorted((a.photos / c).iterdir())]
    bad, planted = set(rng.sample(range(len(images)), round(a.share * len(images)))), set()
    for i, (given, name) in enumerate(images):
        to, link = given, name
        if i in bad:
            to = rng.choice([c for c in classes if c != given and c not in shown.get(f"{given}/{name}", ())])
            link = f"{given}-{name}"
            planted.add(f"{to}/{link}")
        target = a.work / "planted" / to / link
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to((a.photos / given / name).resolve())
    return planted


def average_precision(hits, positives):
    hits = np.array(hits, dtype=float)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).sum() / positives)


def held_out(run, classes):
    """What the models that were trained without an image say: of the whole image, and of its surest region, by id."""
    whole, region = {}, {}
    for file in sorted((run / "stages").glob("held-out-*/shard-*.parquet")):
        for row in pyarrow.parquet.read_table(file).to_pylist():
            value = row.get("value", row)
            sample = row["sample"] if "sample" in row else row["id"]
            w, r = np.zeros(classes), np.zeros(classes)
            for score in value["global"]:
                w[score["class"]] = score["probability"]
            for scores in value["masks"]:
                for score in scores:
                    r[score["class"]] = max(r[score["class"]], score["probability"])
            whole[sample], region[sample] = w, r
    return whole, region


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--convert", default=str(ROOT / "target/release/convert"))
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    planted, run = plant(a), a.work / "run"
    environment = {**os.environ, "DATA": str(a.work / "planted"), "WORK": str(run), "WEIGHTS": str(a.weights.resolve())}
    settings = ["label.config.folds=5", "export=[{plugin: multilabel-tsv, file: labels.tsv}]"]
    recipe = str(ROOT / "tests/recipes/vit-tiny-own-maps.yaml")
    subprocess.run([a.convert, "--recipe", recipe, *(x for s in settings for x in ("--set", s))], env=environment, check=True)
    subprocess.run([a.convert, "audit", str(run)], check=True, stdout=subprocess.DEVNULL)

    rows = [line.split("\t") for line in (run / "audit.tsv").read_text().splitlines()[1:]]
    classes = json.loads((run / "run.json").read_text())["classes"]
    label = {row[0]: classes.index(row[1]) for row in rows}
    ids = [row[0] for row in rows]
    whole, region = held_out(run, len(classes))
    y = np.array([label[i] for i in ids])
    # An image without a region is judged as a whole.
    w = np.array([whole[i] for i in ids])
    r = np.array([region[i] if region[i].any() else whole[i] for i in ids])

    def by(score):
        return average_precision([ids[i] in planted for i in np.argsort(score, kind="stable")], len(planted))

    def issues(p):
        p = p / p.sum(axis=1, keepdims=True)
        found = find_label_issues(y, p, return_indices_ranked_by="self_confidence")
        return average_precision([ids[i] in planted for i in found], len(planted)), by(get_label_quality_scores(y, p))

    at = np.arange(len(ids))
    print(f"{len(ids)} images, {len(planted)} with a planted label; average precision of the ranking")
    print(f"convert audit                                      {average_precision([i in planted for i in ids], len(planted)):.3f}")
    print(f"the surest region alone                            {by(r[at, y]):.3f}")
    print(f"the whole image alone                              {by(w[at, y]):.3f}")
    print(f"the higher of the two                              {by(np.maximum(w, r)[at, y]):.3f}")
    for name, p in (("whole images", w), ("the higher of the two", np.maximum(w, r))):
        found, quality = issues(p)
        print(f"cleanlab on {name:24} find_label_issues {found:.3f}, get_label_quality_scores {quality:.3f}")


main()

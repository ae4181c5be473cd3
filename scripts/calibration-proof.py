#!/usr/bin/env python3
"""What `calibrate:` makes of reviews of some images, measured on all of them: the table of docs/trust.md.

    scripts/calibration-proof.py --data mosaic/train --truth mosaic/truth.json --work DIR [--recipe FILE] [--convert EXECUTABLE]

The truth (COCO form: every object) plays the person who looks through 100 and 300 images (--reviews), drawn at random five times (--draws). A run with their file and a target
precision of 0.8, 0.9 and 0.95 (--targets) keeps the labels above its threshold; precision and recall are those of the added labels of all images, where images that were
reviewed count with labels by calibrations that did not know them. Environment variables of the recipe, such as WEIGHTS, are passed on.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/own-maps.yaml")
    parser.add_argument("--convert", default=str(ROOT / "target/release/convert"))
    parser.add_argument("--reviews", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--targets", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    parser.add_argument("--draws", type=int, default=5)
    a = parser.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)

    truth = json.loads(a.truth.read_text())
    names = {c["id"]: c["name"] for c in truth["categories"]}
    classes = sorted(folder.name for folder in a.data.iterdir() if folder.is_dir())
    shown = {image["id"]: set() for image in truth["images"]}
    for o in truth["annotations"]:
        shown[o["image_id"]].add(classes.index(names[o["category_id"]]))

    def review(count, draw, file):
        images = sorted(truth["images"], key=lambda image: image["file_name"])
        random.Random(draw).shuffle(images)
        lines = []
        for image in images[:count]:
            found = sorted(shown[image["id"]])
            label = classes.index(image["file_name"].split("/")[0])
            lines.append(f"{image['file_name']}\t{label}\t{','.join(map(str, found))}\t{','.join('1' for _ in found)}\n")
        file.write_text("".join(lines))

    def run(*settings):
        more = [x for s in (f"dataset.truth={a.truth.resolve()}", "export=[{plugin: multilabel-tsv, file: labels.tsv}]", *settings) for x in ("--set", s)]
        environment = {**os.environ, "DATA": str(a.data.resolve())}
        command = [a.convert, "--recipe", str(a.recipe), "--work-dir", str(a.work / "run"), *more]
        subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
        return json.loads((a.work / "run/evaluation.json").read_text())["rows"][1]

    row = run()
    print(f"above 0.5, as the labeler gave them: precision {row['added_precision']:.3f}, recall {row['added_recall']:.3f}", flush=True)
    reviews = a.work / "reviews.tsv"
    for count in a.reviews:
        for target in a.targets:
            figures = []
            for draw in range(a.draws):
                review(count, draw, reviews)
                row = run(f"calibrate.truth={reviews.resolve()}", f"calibrate.target.precision={target}")
                figures.append((row["added_precision"], row["added_recall"]))
            precision, recall = zip(*figures)
            print(f"{count} reviews, wanted {target}: precision {statistics.mean(precision):.3f} ± {statistics.stdev(precision):.3f}, recall {statistics.mean(recall):.3f}", flush=True)


main()

#!/usr/bin/env python3
"""From a detection set in YOLO's text form (such as coco128) an image folder for convert: each photo under the class of its largest object, and the truth of all objects.

    scripts/yolo-truth.py --images coco128/images/train2017 --labels coco128/labels/train2017 --names coco128.yaml --output DIR

Writes DIR/train/CLASS/PHOTO (links) and DIR/truth.json (COCO form, boxes), for `--set dataset.truth=DIR/truth.json`. Photos without an object are left out. Needs pillow and pyyaml.
"""
import argparse
import json
from pathlib import Path

import yaml
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (("images", "the photos"), ("labels", "a text file a photo"), ("names", "YAML with `names`"), ("output", "the folder to write")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    a = parser.parse_args()
    names = yaml.safe_load(a.names.read_text())["names"]
    names = [names[i] for i in sorted(names)] if isinstance(names, dict) else names
    images, annotations = [], []
    for photo in sorted(a.images.iterdir()):
        label = a.labels / f"{photo.stem}.txt"
        # class, centre, width and height, in shares of the image
        objects = [[float(number) for number in line.split()] for line in label.read_text().splitlines()] if label.exists() else []
        if not objects:
            continue
        width, height = Image.open(photo).size
        given = names[int(max(objects, key=lambda o: o[3] * o[4])[0])]
        link = a.output / "train" / given / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(photo.resolve())
        images.append({"id": len(images) + 1, "file_name": f"{given}/{photo.name}", "width": width, "height": height})
        for c, x, y, w, h in objects:
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
            annotations.append({
                "id": len(annotations) + 1, "image_id": len(images), "category_id": int(c) + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0,
                "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
            })
    # Only the classes that some photo is filed under are the dataset's.
    given = sorted(folder.name for folder in (a.output / "train").iterdir())
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names) if name in given]
    known = {c["id"] for c in categories}
    annotations = [o for o in annotations if o["category_id"] in known]
    (a.output / "truth.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    print(f"{len(images)} photos of {len(given)} classes, {len(annotations)} objects of them")


main()

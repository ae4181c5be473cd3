#!/usr/bin/env python3
"""True boxes in YOLO's text form as a COCO file, for `convert evaluate proposals`.

    python tests/benches/yolo_to_coco.py PHOTOS LABELS OUTPUT.json

PHOTOS is a folder of JPEG files, LABELS one of text files by the same names; a line is a class and x, y of the centre, width and height as shares of the photo.
"""
import json
import pathlib
import struct
import sys

photos, labels, output = map(pathlib.Path, sys.argv[1:])


def size(path):
    data, at = path.read_bytes(), 2
    while True:
        marker, length = struct.unpack(">HH", data[at:at + 4])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            return width, height
        at += 2 + length


images, annotations = [], []
for index, photo in enumerate(sorted(photos.glob("*.jp*g")), start=1):
    width, height = size(photo)
    images.append({"id": index, "file_name": photo.name, "width": width, "height": height})
    file = labels / (photo.stem + ".txt")
    for line in file.read_text().splitlines() if file.exists() else []:
        number, x, y, w, h = line.split()[:5]
        x, y, w, h = float(x) * width, float(y) * height, float(w) * width, float(h) * height
        box = [x - w / 2, y - h / 2, w, h]
        annotations.append({"id": len(annotations) + 1, "image_id": index, "category_id": int(number) + 1, "iscrowd": 0, "bbox": box, "area": w * h})
categories = [{"id": number, "name": str(number - 1)} for number in sorted({entry["category_id"] for entry in annotations})]
output.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))

#!/usr/bin/env python3
"""The boxes of OpenCV's selective search (fast mode) as a COCO file, beside those of the proposer `selective-search`, for `convert evaluate proposals`.

    pip install opencv-contrib-python-headless
    python tests/benches/selective_search.py PHOTOS OUTPUT.json [--boxes 50] [--side 320]

The first boxes in OpenCV's order count, those of at least 0.2 % of the photo; their order has a random part. Prints the seconds a photo, on one thread. `--side 0` leaves photos as they are.
"""
import argparse
import json
import pathlib
import time

import cv2

parser = argparse.ArgumentParser()
parser.add_argument("photos", type=pathlib.Path)
parser.add_argument("output", type=pathlib.Path)
parser.add_argument("--boxes", type=int, default=50)
parser.add_argument("--side", type=int, default=320)
options = parser.parse_args()

cv2.setNumThreads(1)
images, annotations, seconds = [], [], 0.0
for index, file in enumerate(sorted(options.photos.glob("*.jp*g")), start=1):
    photo = cv2.imread(str(file))
    height, width = photo.shape[:2]
    share = min(options.side / max(height, width), 1) if options.side else 1
    start = time.perf_counter()
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(cv2.resize(photo, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) if share < 1 else photo)
    search.switchToSelectiveSearchFast()
    boxes = search.process()
    seconds += time.perf_counter() - start
    boxes = [[float(side) / share for side in box] for box in boxes]
    boxes = [box for box in boxes if box[2] * box[3] >= 0.002 * width * height][: options.boxes]
    images.append({"id": index, "file_name": file.name, "width": width, "height": height})
    for rank, box in enumerate(boxes):
        annotations.append({"id": len(annotations) + 1, "image_id": index, "category_id": 1, "iscrowd": 0, "bbox": box, "area": box[2] * box[3], "score": 1 / (1 + rank)})
print(f"{seconds / len(images):.2f} s and {len(annotations) / len(images):.1f} boxes a photo")
options.output.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "fg"}]}))

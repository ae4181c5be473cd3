#!/usr/bin/env python3
"""Makes polygons.json: random polygons with the masks that pycocotools (PyPI) draws of them."""
import json
import random
from pathlib import Path

from pycocotools import mask

random.seed(0)
rows = []
for number in range(160):
    width, height = random.randint(3, 40), random.randint(3, 40)
    margin = random.choice([0, 0, 6])  # some reach outside of the image
    corners = random.randint(3, 9)
    digits = random.choice([0, 1, 2])
    polygon = []
    for _ in range(corners):
        polygon += [round(random.uniform(-margin, width + margin), digits), round(random.uniform(-margin, height + margin), digits)]
    points = list(zip(polygon[::2], polygon[1::2]))
    if any(a == b for a, b in zip(points, points[1:] + points[:1])):
        continue  # an edge of length 0 divides by zero there
    encoded = mask.frPyObjects([polygon], height, width)[0]
    rows.append([polygon, width, height, encoded["counts"].decode()])
Path(__file__).with_name("polygons.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")

"""Makes graph.json, a small image and its segments by scikit-image's felzenszwalb: python make_graph.py (scikit-image 0.26).

Colours are 1/256 of a grey level apart, so that no two edges weigh the same and their order is settled. Segments are numbered in the order of their first pixels.
"""
import json
import pathlib

import numpy as np
from skimage.segmentation import felzenszwalb

random = np.random.default_rng(5)
height, width = 22, 30
image = np.zeros((height, width, 3))
image[:] = [90, 110, 100]
image[4:15, 5:17] = [150, 60, 70]
image[9:20, 12:27] = [70, 80, 170]
image += np.linspace(0, 40, width)[None, :, None]
image += random.normal(scale=8, size=image.shape)
stored = np.round(image.clip(0, 255) * 256).astype(int)

cases = []
for k, min_size in [(30, 1), (100, 1), (100, 12), (400, 12), (3000, 1)]:
    found = felzenszwalb(stored / 256 / 255, scale=k, sigma=0, min_size=min_size, channel_axis=-1)
    numbers = {}
    labels = [numbers.setdefault(label, len(numbers)) for label in found.ravel().tolist()]
    cases.append({"k": k, "min_size": min_size, "labels": labels})
    print(k, min_size, len(numbers))
text = json.dumps({"width": width, "colours": stored.ravel().tolist(), "cases": cases}, separators=(",", ":"))
pathlib.Path(__file__).with_name("graph.json").write_text(text + "\n")

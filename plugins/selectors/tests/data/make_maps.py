#!/usr/bin/env python3
"""Makes the label maps of this folder and index.json: what PyTorch and OpenCV say of some masks under both profiles.

    make_maps.py FOLDER

Needs torch, numpy, opencv-python and pycocotools. The maps are random blobs of a few classes, of the logit scale of ReLabel's; K = 100 keeps the files' story short.
"""
import json, sys
import cv2
import numpy as np
import torch
from pycocotools import mask as coco

K, OUT = 100, sys.argv[1]
random = np.random.default_rng(5)


def label_map():
    y, x = np.mgrid[0:15, 0:15]
    dense = random.normal(0, 1.5, (K, 15, 15))
    for _ in range(3):
        c, cy, cx, s, h = random.integers(K), random.uniform(2, 12), random.uniform(2, 12), random.uniform(2, 6), random.uniform(9, 16)
        dense[c] += h * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * s * s))
    top = torch.tensor(dense, dtype=torch.float32).topk(5, dim=0)
    return torch.stack([top.values, top.indices.float()])


def masks(height, width):
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(4):
        cy, cx, ry, rx = random.uniform(0, height), random.uniform(0, width), random.uniform(5, height / 2), random.uniform(5, width / 2)
        yield (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1).astype(np.uint8)
    dot = np.zeros((height, width), np.uint8)
    dot[0, 0] = 1  # vanishes when it is shrunk
    yield dot


def softmax_of(vector, label):
    p = torch.softmax(vector, 0)
    return {"of_label": p[label].item(), "best": p.argmax().item(), "of_best": p.max().item()}


index = []
for number, (height, width) in enumerate([(120, 90), (64, 200), (33, 47)]):
    stored = label_map()
    torch.save(stored, f"{OUT}/{number}.pt")
    dense = torch.zeros(K, 15, 15, dtype=torch.float64).scatter_(0, stored[1].long(), stored[0].double())
    label = stored[1][0].long().flatten().mode().values.item()
    full = torch.nn.functional.interpolate(dense[None], (height, width), mode="bilinear", align_corners=True)[0]
    entries = []
    for m in masks(height, width):
        if not m.any():
            continue
        paper = softmax_of(full[:, torch.tensor(m).bool()].mean(1), label)
        small = torch.tensor(cv2.resize(m.astype(np.float32), (15, 15), interpolation=cv2.INTER_LINEAR)).double()
        authors = softmax_of((dense * small).sum((1, 2)) / small.sum(), label) if small.sum() > 0 else None
        counts = coco.encode(np.asfortranarray(m))["counts"].decode()
        entries.append({"counts": counts, "paper": paper, "authors_code": authors})
    index.append({"map": f"{number}.pt", "height": height, "width": width, "label": label, "masks": entries})
with open(f"{OUT}/index.json", "w") as file:
    json.dump({"classes": K, "images": index}, file, indent=1)

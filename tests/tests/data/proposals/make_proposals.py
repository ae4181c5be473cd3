"""Makes truth.json, predictions.json and expected.json: drawn objects and proposals, and what pycocotools says of their IoUs. Needs numpy and pycocotools."""
import json

import numpy as np
from pycocotools import mask as coco

rng = np.random.default_rng(7)
truth = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "fg"}]}
predictions = {"annotations": [], "images": []}
best_box, best_mask, first_box, first_mask, scored_box = [], [], [], [], []


def polygon(w, h):
    count = int(rng.integers(3, 8))
    centre, radius = rng.uniform(0.2, 0.8, 2) * (w, h), rng.uniform(4, min(w, h) / 2)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    corners = centre + radius * rng.uniform(0.5, 1, (count, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.clip(corners, 0, (w, h)).round(2)


def rle(corners, w, h):
    return coco.merge(coco.frPyObjects([corners.ravel().tolist()], h, w))


for index in range(40):
    w, h = (int(side) for side in rng.integers(20, 90, 2))
    name = f"photos/{index:03}.jpg"
    truth["images"].append({"id": index + 1, "file_name": name, "width": w, "height": h})
    predictions["images"].append({"id": 100 - index, "file_name": f"{index:03}.jpg", "width": w, "height": h})
    objects, masks = [polygon(w, h) for _ in range(rng.integers(0, 5))], []
    for at, corners in enumerate(objects):
        masks.append(rle(corners, w, h))
        segmentation = [corners.ravel().tolist()] if at % 2 == 0 else {"size": [h, w], "counts": masks[-1]["counts"].decode()}
        truth["annotations"].append({"id": len(truth["annotations"]) + 1, "image_id": index + 1, "category_id": 1, "iscrowd": 0,
                                     "bbox": coco.toBbox(masks[-1]).tolist(), "segmentation": segmentation})
    guesses = [rle(corners + rng.normal(0, 3, corners.shape), w, h) for corners in objects if rng.random() < 0.7]
    guesses += [rle(polygon(w, h), w, h) for _ in range(rng.integers(0, 3))]
    guesses = [guesses[at] for at in rng.permutation(len(guesses))]
    scores = rng.permutation(len(guesses)) / 10
    for guess, score in zip(guesses, scores):
        predictions["annotations"].append({"image_id": 100 - index, "category_id": 1, "score": float(score),
                                           "segmentation": {"size": [h, w], "counts": guess["counts"].decode()}})
    if not objects:
        continue
    if not guesses:
        guesses, scores = [coco.encode(np.zeros((h, w), np.uint8, order="F"))], np.zeros(1)
    boxes = coco.iou(np.stack([coco.toBbox(guess) for guess in guesses]), np.stack([coco.toBbox(mask) for mask in masks]), [0] * len(masks))
    overlaps = coco.iou(guesses, masks, [0] * len(masks))
    best_box += boxes.max(0).tolist()
    best_mask += overlaps.max(0).tolist()
    first_box.append(boxes[0].max())
    first_mask.append(overlaps[0].max())
    scored_box.append(boxes[int(np.argmax(scores))].max())

expected = {}
for kind, best, first in [("boxes", best_box, first_box), ("masks", best_mask, first_mask)]:
    best, first = np.array(best), np.array(first)
    expected[kind] = {"recall": float((best >= 0.5).mean()), "average_recall": float(np.mean([(best >= percent / 100).mean() for percent in range(50, 100, 5)])),
                      "mean_best_iou": float(best.mean()), "corloc_first": float((first > 0.5).mean())}
expected["boxes"]["corloc_best"] = float((np.array(scored_box) > 0.5).mean())
expected["objects"], expected["images"] = len(best_box), len(first_box)
for name, content in [("truth", truth), ("predictions", predictions), ("expected", expected)]:
    json.dump(content, open(f"{name}.json", "w"), indent=None, separators=(",", ":"))

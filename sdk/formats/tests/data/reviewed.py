"""Writes wilson.txt and reviewed.jsonl, and prints the figures of the reviews' tests: statsmodels 0.15.0 and scikit-learn 1.9.1."""

import json
import pathlib
import random

import sklearn.metrics as metrics
from statsmodels.stats.proportion import proportion_confint

folder = pathlib.Path(__file__).parent
with open(folder / "wilson.txt", "w") as file:
    for right, of in [(0, 1), (1, 1), (0, 20), (20, 20), (1, 2), (5, 7), (93, 100), (99, 100), (387, 512), (999999, 1000000)]:
        low, high = proportion_confint(right, of, alpha=0.05, method="wilson")
        file.write(f"{right} {of} {float(low)!r} {float(high)!r}\n")

CLASSES = range(5)
numbers = random.Random(7)
images = []
for index in range(60):
    given = numbers.randrange(5)
    labels = {given: 1.0}
    for c in CLASSES:
        if c != given and numbers.random() < 0.5:
            labels[c] = round(numbers.random(), 4)

    def seen(noise):
        return sorted(c for c in CLASSES if (numbers.random() > noise) == (labels.get(c, 0) > 0.5))

    anna = seen(0.15) if index % 3 != 2 else None
    bob = seen(0.2) if index % 2 == 0 else None
    images.append(dict(given=given, labels=sorted(labels.items()), anna=anna, bob=bob, random=index % 4 != 3))
with open(folder / "reviewed.jsonl", "w") as file:
    for image in images:
        file.write(json.dumps(image, separators=(",", ":")) + "\n")

complete = [image for image in images if image["anna"] is not None or image["bob"] is not None]
print("complete", len(complete), "random", sum(image["random"] for image in complete))
for added in (False, True):
    for only in (None, 3):
        true, labelled = [], []
        for image in complete:
            if image["random"]:
                # Bob came after Anna.
                shown = image["anna"] if image["bob"] is None else image["bob"]
                for c in CLASSES:
                    if only in (None, c) and not (added and c == image["given"]):
                        true.append(c in shown)
                        labelled.append(dict(image["labels"]).get(c, 0) > 0.5)
        print("added" if added else "all", only, metrics.precision_score(true, labelled), metrics.recall_score(true, labelled))
one, other, twice = [], [], 0
for image in complete:
    if image["anna"] is not None and image["bob"] is not None:
        twice += 1
        for c in CLASSES:
            if dict(image["labels"]).get(c, 0) > 0.5 or c in image["anna"] or c in image["bob"]:
                one.append(c in image["anna"])
                other.append(c in image["bob"])
print("kappa", metrics.cohen_kappa_score(one, other), twice, len(one))

#!/usr/bin/env python3
"""Makes sklearn_scores.json: scikit-learn's metrics of pseudo-random predictions, which tests/evaluate_labels.rs makes in the same way.

    python make_sklearn_scores.py [REAL.json]

Needs numpy and scikit-learn from PyPI (made with scikit-learn 1.9.1). With ReaL's real.json its numbers are made anew as well, else those stored are kept.
"""
import json
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

MASK = (1 << 64) - 1
THRESHOLD = 0.5


def draw(image: int, number: int) -> int:
    """SplitMix64 of (image, number)."""
    z = (image * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def small_truth() -> list[list[int]]:
    return [sorted({draw(image, 900 + at) % 30 for at in range(draw(image, 899) % 6)}) for image in range(400)]


def prediction(image: int, truth: list[int], classes: int) -> dict[int, float]:
    """Up to forty random classes, and most of the true ones, with probabilities of four decimals, so that there are ties."""
    scores = {}
    for at, true_class in enumerate(truth):
        if draw(image, 700 + at) % 4 > 0:
            scores[true_class] = (1 + draw(image, 800 + at) % 10000) / 10000
    for at in range(draw(image, 0) % 41):
        scores.setdefault(draw(image, 1 + 2 * at) % classes, (draw(image, 2 + 2 * at) % 10001) / 10000)
    return scores


def metrics(truth: list[list[int]], classes: int) -> dict:
    y = np.zeros((len(truth), classes), dtype=bool)
    s = np.zeros((len(truth), classes), dtype=np.float64)
    for image, labels in enumerate(truth):
        y[image, labels] = True
        for index, score in prediction(image, labels, classes).items():
            s[image, index] = score
    counts = y.sum(1)
    groups = {"all": counts > 0, "k=1": counts == 1, "k=2": counts == 2, "k=3": counts == 3, "k>=4": counts >= 4}
    ap = np.array([average_precision_score(a, b) if a.any() else np.nan for a, b in zip(y, s)])
    per_image = {name: float(ap[rows].mean()) for name, rows in groups.items()}
    by_class = {}
    for name, rows in groups.items():
        present = np.flatnonzero(y[rows].any(0))
        by_class[name] = float(np.mean([average_precision_score(y[rows, c], s[rows, c]) for c in present]))
    rows = groups["all"]
    predicted = s[rows] > THRESHOLD
    micro = precision_recall_fscore_support(y[rows], predicted, average="micro", zero_division=0)
    each = precision_recall_fscore_support(y[rows], predicted, average=None, zero_division=0)
    present = each[3] > 0
    top = s[rows].argmax(1)
    right = y[rows][np.arange(len(top)), top] & (s[rows].max(1) > 0)
    names = ["precision", "recall", "f1"]
    return {
        "per_image": per_image,
        "class": by_class,
        "micro": dict(zip(names, map(float, micro[:3]))),
        "macro": {name: float(values[present].mean()) for name, values in zip(names, each[:3])},
        "any_true_label": float(right.mean()),
    }


def main() -> None:
    file = Path(__file__).with_name("sklearn_scores.json")
    stored = json.loads(file.read_text()) if file.exists() else {}
    stored["small"] = metrics(small_truth(), 30)
    if len(sys.argv) > 1:
        stored["real"] = metrics([sorted(set(labels)) for labels in json.loads(Path(sys.argv[1]).read_text())], 1000)
    file.write_text(json.dumps(stored, indent=1) + "\n")


main()

"""A run as a dataset of FiftyOne, which is imported here alone."""

from itertools import groupby
from pathlib import Path
from typing import Any

import fiftyone as fo
import pyarrow as pa

from convert_labels._labels import decode_mask


def dataset(labels: pa.Table, regions: pa.Table, classes: list[str], root: Path, limit: int | None, name: str | None) -> "fo.Dataset":
    """See `Run.to_fiftyone`."""
    rows = labels.to_pylist()
    if limit is not None and limit < len(rows):
        rows = [rows[at * len(rows) // limit] for at in range(limit)]
    wanted = {row["id"] for row in rows}
    shown = (region for batch in regions.to_batches() for region in batch.to_pylist() if region["id"] in wanted)
    masks = {image: [_detection(region, classes) for region in group] for image, group in groupby(shown, key=lambda region: region["id"])}
    samples = []
    for row in rows:
        of_image = zip(row["classes"], row["probabilities"], strict=True)
        samples.append(
            fo.Sample(
                filepath=str(root / row["id"]),
                ground_truth=fo.Classification(label=classes[row["label"]]),
                labels=fo.Classifications(classifications=[fo.Classification(label=classes[at], confidence=p) for at, p in of_image]),
                regions=fo.Detections(detections=masks.get(row["id"], [])),
            )
        )
    made = fo.Dataset(name)
    made.default_classes = classes
    made.add_samples(samples)
    return made


def _detection(region: dict[str, Any], classes: list[str]) -> "fo.Detection":
    """A mask as FiftyOne has it: cut out by its box, the box in shares of the image."""
    x, y, width, height = region["bbox"]
    mask = decode_mask(region["counts"], region["width"], region["height"])[y : y + height, x : x + width]
    return fo.Detection(
        label=classes[region["classes"][0]],
        confidence=region["probabilities"][0],
        bounding_box=[x / region["width"], y / region["height"], width / region["width"], height / region["height"]],
        mask=mask,
        source=region["source"],
        selected=region["selected"],
    )

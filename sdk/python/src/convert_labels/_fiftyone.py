"""A run as a dataset of FiftyOne, which is imported here alone."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from convert_labels._labels import decode_mask

if TYPE_CHECKING:
    from convert_labels._run import Run


def dataset(run: "Run", root: Path, limit: int | None, name: str | None) -> "fo.Dataset":
    """See `Run.to_fiftyone`."""
    rows = run.labels().to_pylist()
    if limit is not None and limit < len(rows):
        rows = [rows[at * len(rows) // limit] for at in range(limit)]
    wanted = {row["id"] for row in rows}
    regions = (region for batch in run.regions().to_batches() for region in batch.to_pylist() if region["id"] in wanted)
    masks = {image: [_detection(region, run.classes) for region in group] for image, group in groupby(regions, key=lambda region: region["id"])}
    samples = []
    for row in rows:
        labels = zip(row["classes"], row["probabilities"], strict=True)
        samples.append(
            fo.Sample(
                filepath=str(root / row["id"]),
                ground_truth=fo.Classification(label=run.classes[row["label"]]),
                labels=fo.Classifications(classifications=[fo.Classification(label=run.classes[at], confidence=p) for at, p in labels]),
                regions=fo.Detections(detections=masks.get(row["id"], [])),
            )
        )
    made = fo.Dataset(name)
    made.default_classes = run.classes
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

"""Label files as tables, whichever exporter wrote them."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int64()),
        ("classes", pa.list_(pa.int64())),
        ("probabilities", pa.list_(pa.float32())),
    ]
)
"""What `read_labels` returns: a row an image; `classes` and `probabilities` have the same lengths."""

REGIONS = pa.schema(
    [
        ("id", pa.string()),
        ("width", pa.uint32()),
        ("height", pa.uint32()),
        ("counts", pa.string()),
        ("bbox", pa.list_(pa.uint32())),
        ("area", pa.uint32()),
        ("source", pa.string()),
        ("score", pa.float32()),
        ("selected", pa.bool_()),
        ("classes", pa.list_(pa.int64())),
        ("probabilities", pa.list_(pa.float32())),
    ]
)
"""What `read_regions` returns: a row a mask, those of an image in a row."""


def read_labels(file: str | os.PathLike[str]) -> pa.Table:
    """The labels of `labels.parquet`, `labels.jsonl` or `labels.tsv`: `id`, `label` (the single label), `classes` and `probabilities` (the final labels).

    The ending tells the form. Where the file knows the class names, they are the JSON list `classes` of the schema's metadata.

    Raises:
        ValueError: a file of another form, with its line where it has lines.
        OSError: a file that cannot be read.
    """
    path = Path(file)
    match path.suffix:
        case ".parquet":
            table = pq.read_table(path, columns=LABELS.names)
            return table.cast(LABELS.with_metadata(table.schema.metadata))
        case ".jsonl":
            return _table(({name: row[name] for name in LABELS.names} for row in _json_lines(path)), LABELS)
        case ".tsv":
            return _table(_tsv(path), LABELS)
        case other:
            raise ValueError(f"{path} ends in {other!r}: labels are read from .parquet, .jsonl and .tsv files")


def read_regions(file: str | os.PathLike[str]) -> pa.Table:
    """The masks of `labels.parquet`, `labels.jsonl` or `annotations.json` (COCO), a row a mask.

    Columns: `id`, `width` and `height` of the image; `counts`, COCO's compressed code of the mask (see `decode_mask`); `bbox` as x, y, width, height in
    pixels; `area` in pixels; `source`, the proposal configuration, and its `score`; `selected`, whether the labeler was trained on it; `classes` and
    `probabilities`, its best five, best first. Images without a mask have no row.

    Raises:
        ValueError: a file of another form.
        OSError: a file that cannot be read.
    """
    path = Path(file)
    match path.suffix:
        case ".parquet":
            rows = pq.ParquetFile(path).iter_batches(columns=["id", "width", "height", "regions"])
            return _table((region for batch in rows for row in batch.to_pylist() for region in _regions(row)), REGIONS)
        case ".jsonl":
            return _table((region for row in _json_lines(path) for region in _regions(row)), REGIONS)
        case ".json":
            return _table(_coco_regions(path), REGIONS)
        case other:
            raise ValueError(f"{path} ends in {other!r}: masks are read from .parquet, .jsonl and COCO's .json files")


def decode_mask(counts: str, width: int, height: int) -> npt.NDArray[np.bool_]:
    """A mask of `read_regions` as booleans [height, width].

    Raises:
        ValueError: a code that is not that of a mask of this size.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode():
        part = byte - 48
        if not 0 <= part < 64:
            raise ValueError(f"a mask's code has the character {chr(byte)!r}")
        value |= (part & 0x1F) << shift
        shift += 5
        if part & 0x20:
            continue
        if part & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift or any(run < 0 for run in runs) or sum(runs) != width * height:
        raise ValueError(f"a mask's code has {sum(runs)} pixels, not {width} x {height}")
    inside = np.arange(len(runs)) % 2 == 1
    mask: npt.NDArray[np.bool_] = np.repeat(inside, runs).reshape(width, height).T
    return mask


_ROWS = 4096


def _table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table, with so many of them as Python objects at a time."""
    batches: list[pa.RecordBatch] = []
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == _ROWS:
            batches.append(pa.RecordBatch.from_pylist(part, schema))
            part = []
    batches.append(pa.RecordBatch.from_pylist(part, schema))
    return pa.Table.from_batches(batches, schema)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                missing = [name for name in LABELS.names if name not in row]
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            if missing:
                raise ValueError(f"{path}, line {number}: {', '.join(missing)} missing")
            yield row


def _tsv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            try:
                name, label, classes, probabilities = line.rstrip("\n").split("\t")
                row: dict[str, Any] = {
                    "id": name,
                    "label": int(label),
                    "classes": [int(value) for value in classes.split(",") if classes],
                    "probabilities": [float(value) for value in probabilities.split(",") if probabilities],
                }
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not id, label, classes and probabilities, with a tab between them: {error}") from error
            if len(row["classes"]) != len(row["probabilities"]):
                raise ValueError(f"{path}, line {number}: {len(row['classes'])} classes with {len(row['probabilities'])} probabilities")
            yield row


def _regions(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    image = {name: row[name] for name in ("id", "width", "height")}
    return (image | region for region in row["regions"])


def _coco_regions(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        coco = json.load(file)
    try:
        images = {image["id"]: image for image in coco["images"]}
        # Classes are the categories in the order of their ids, which may have gaps.
        classes = {category: index for index, category in enumerate(sorted(category["id"] for category in coco["categories"]))}
        for annotation in coco["annotations"]:
            image = images[annotation["image_id"]]
            yield {
                "id": image["file_name"],
                "width": image["width"],
                "height": image["height"],
                "counts": annotation["segmentation"]["counts"],
                "bbox": annotation["bbox"],
                "area": annotation["area"],
                "source": annotation["source"],
                "score": annotation["proposal_score"],
                "selected": annotation["selected"],
                "classes": [classes[score["category_id"]] for score in annotation["top5"]],
                "probabilities": [score["probability"] for score in annotation["top5"]],
            }
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not what the exporter coco writes: {error!r}") from error

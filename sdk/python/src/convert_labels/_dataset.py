"""The labels as a dataset of PyTorch."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from convert_labels._labels import read_labels
from convert_labels._run import Run


class MultiLabelDataset(torch.utils.data.Dataset[tuple[Any, torch.Tensor]]):
    """Images with their labels: `(image, float tensor [K])` for K classes.

    Takes about 100 bytes an image and 12 a label of memory; images are read when they are asked for.
    """

    classes: list[str] | None
    """The class names by index, where they are known."""
    ids: list[str]
    """The images' paths below `root`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        labels: str | os.PathLike[str] | Run | pa.Table,
        transform: Callable[[Image.Image], Any] | None = None,
        soft: bool = True,
        *,
        threshold: float = 0.5,
        num_classes: int | None = None,
    ) -> None:
        """Reads the labels.

        Args:
            root: The folder that the images' ids are relative to, such as `root` of the dataset `image-folder`.
            labels: `labels.parquet`, `labels.jsonl`, `labels.tsv`, a run, or a table of `read_labels`.
            transform: What is done to each image, a Pillow image in RGB; nothing by default.
            soft: Whether targets are the probabilities; else 1 where a probability is above `threshold`, and 0 elsewhere.
            threshold: See `soft`.
            num_classes: K. By default what the label file, or `run.json` beside it, says.

        Raises:
            ValueError: K is not known, or too small for the labels; a file of another form.
            OSError: a file that cannot be read.
        """
        table = labels.labels() if isinstance(labels, Run) else labels if isinstance(labels, pa.Table) else read_labels(labels)
        self.classes = _class_names(labels, table)
        self.root, self.transform, self.soft, self.threshold = Path(root), transform, soft, threshold
        self.ids = table["id"].to_pylist()
        lists = table["classes"].combine_chunks()
        self._ends = np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False))
        self._classes = lists.flatten().to_numpy(zero_copy_only=False)
        self._probabilities = table["probabilities"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if num_classes is None:
            if self.classes is None:
                raise ValueError("the labels do not say how many classes there are: give num_classes")
            num_classes = len(self.classes)
        largest = int(self._classes.max(initial=-1))
        if largest >= num_classes:
            raise ValueError(f"the labels have class {largest}, but there are {num_classes} classes: correct num_classes")
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.ids)

    def target(self, index: int) -> torch.Tensor:
        """The target of an image, without the image: a float tensor [K]."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        index %= len(self)
        start, end = (int(self._ends[index - 1]) if index else 0), int(self._ends[index])
        classes, probabilities = self._classes[start:end], self._probabilities[start:end]
        target = np.zeros(self.num_classes, dtype=np.float32)
        target[classes] = probabilities if self.soft else probabilities > self.threshold
        return torch.from_numpy(target)

    def __getitem__(self, index: int) -> tuple[Any, torch.Tensor]:
        target = self.target(index)
        with Image.open(self.root / self.ids[index]) as file:
            image = file.convert("RGB")
        return (image if self.transform is None else self.transform(image)), target


def _class_names(labels: str | os.PathLike[str] | Run | pa.Table, table: pa.Table) -> list[str] | None:
    if isinstance(labels, Run):
        return labels.classes
    if known := (table.schema.metadata or {}).get(b"classes"):
        return [str(name) for name in json.loads(known)]
    if not isinstance(labels, pa.Table) and (Path(labels).parent / "run.json").is_file():
        return Run.open(Path(labels).parent).classes
    return None

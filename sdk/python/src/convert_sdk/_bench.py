"""A plugin on the bench: its calls go through frames, as between host and worker."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from . import _frames
from ._config import read
from ._roles import Array, Context, Dataset, Plugin
from .worker import Line, Worker


class Asked(Line):
    """The host's end of a line: it answers what a plugin asks for, and forgets what it logs."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Any]) -> None:
        self._answer = answer

    def read(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def write(self, message: dict[str, Any]) -> None:
        through_a_frame(message)

    def ask(self, what: str, **details: Any) -> Any:
        return through_a_frame({"answer": self._answer(what, details)})["answer"]


class Bench:
    """A class with its config, to be built as often as wanted."""

    def __init__(self, plugin: type[Plugin], config: dict[str, Any], classes: Sequence[str], folder: Path) -> None:
        self.plugin, self.config, self.classes, self.folder = plugin, config, classes, folder
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda what, details: None
        self.worker = self.built()

    def built(self) -> Worker:
        """A worker that has just been started; all have the same seed."""
        line = Asked(lambda what, details: self.answer(what, details))
        worker = Worker(line)
        log = lambda level, message: line.write({"log": level, "message": str(message)})  # noqa: E731
        progress = lambda at, total, message: line.write({"progress": [at, total], "message": str(message)})  # noqa: E731
        context = Context("python", "paper", 7, "cpu", 1, self.folder, [] if self.is_dataset() else list(self.classes), log, progress)
        worker.plugin = self.plugin(read(self.plugin.Config, self.config), context)
        return worker

    def is_dataset(self) -> bool:
        """Whether it is the class that says which classes there are."""
        return issubclass(self.plugin, Dataset)

    def call(self, method: str, worker: Worker | None = None, **arguments: Any) -> Any:
        """A call as the host makes it, with what came of it."""
        given = through_a_frame(arguments)
        return through_a_frame({"ok": getattr(worker or self.worker, method)(**given)})["ok"]


def through_a_frame(message: dict[str, Any]) -> dict[str, Any]:
    """What arrives of a message at the other end."""
    stream = io.BytesIO()
    _frames.write(stream, message)
    stream.seek(0)
    arrived = _frames.read(stream)
    assert arrived is not None
    return arrived


def images() -> dict[str, Array]:
    """Images of many shapes, by what they are; the same in every run."""
    random = np.random.default_rng(5)

    def scene(height: int, width: int, colour: Sequence[int]) -> Array:
        rows, columns = np.mgrid[:height, :width]
        image = np.full((height, width, 3), colour, dtype=np.float64) + random.normal(0, 12, (height, width, 3))
        disc = (rows - height / 2) ** 2 + (columns - width / 3) ** 2 < (min(height, width) / 4) ** 2
        image[disc] = 255 - np.array(colour)
        return image.clip(0, 255).astype(np.uint8)

    grey = np.repeat(scene(40, 56, (90, 90, 90))[..., :1], 3, axis=2)
    return {
        "1 x 1": scene(1, 1, (200, 30, 40)),
        "odd, 37 x 53": scene(37, 53, (30, 160, 60)),
        "48 x 64": scene(48, 64, (40, 60, 200)),
        "64 x 48": scene(64, 48, (200, 60, 40)),
        "grey": grey,
        "black": np.zeros((32, 32, 3), dtype=np.uint8),
        "large, 700 x 900": scene(700, 900, (120, 80, 60)),
    }


def masks(image: Array) -> list[Array]:
    """Regions of an image, none of them empty: all of it, a part of it, a pixel."""
    height, width = image.shape[:2]
    part, pixel = np.zeros((height, width), dtype=bool), np.zeros((height, width), dtype=bool)
    part[: (height + 1) // 2, : (width + 1) // 2] = True
    pixel[height - 1, width - 1] = True
    return [np.ones((height, width), dtype=bool), part, pixel]

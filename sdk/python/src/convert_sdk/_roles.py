"""The roles of the pipeline, a base class each, and what they take and give."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ClassVar, Iterable, Mapping, Sequence, Union

import numpy as np

Array = np.ndarray[Any, Any]
# A boolean array `[height, width]`, or COCO's run lengths.
MaskLike = Union[Array, Mapping[str, Any]]


@dataclass(frozen=True)
class Context:
    """What the host tells a plugin when it builds it."""

    #: The plugin's name.
    plugin: str
    #: `paper` or `authors-code`.
    profile: str
    #: Derive every random choice from it and the sample's id.
    seed: int
    #: `cpu`, `cuda` or `cuda:N`; torch takes it as it is.
    device: str
    #: Threads that one call may use.
    threads: int
    #: A folder that outlives the run, for what can be made again.
    cache_folder: Path
    #: The dataset's class names, by index; empty for a dataset.
    classes: Sequence[str]
    #: Writes a line into the run's log: `log("warn", "...")`, with error, warn, info or debug.
    log: Callable[[str, str], None] = field(repr=False, default=lambda level, message: None)
    #: Moves the bar of a long call: `progress(position, total, message)`.
    progress: Callable[[int, int, str], None] = field(repr=False, default=lambda position, total, message: None)


class Plugin:
    """What all roles share. `Config` may be a dataclass or a pydantic model; without one the config is a dictionary."""

    Config: ClassVar[Any] = None

    def __init__(self, config: Any, context: Context) -> None:
        self.config = config
        self.context = context
        self.setup()

    def setup(self) -> None:
        """Loads weights and the like, before any image is read. Raise `ConfigError` for a config that makes no sense."""


@dataclass
class Proposal:
    """A mask that may show an object; `score` is better the higher it is. `measures` are numbers that explain it, and stay with the mask."""

    mask: MaskLike
    score: float = 1.0
    measures: dict[str, float] = field(default_factory=dict)


class Proposer(Plugin):
    """Masks that may show objects."""

    #: How many images one call should get.
    batch_size: int = 1

    def propose(self, image: Array, id: str) -> Iterable[Proposal | Array]:
        """The proposals of an image; a boolean array is a proposal of score 1."""
        raise NotImplementedError

    def propose_batch(self, images: Sequence[Array], ids: Sequence[str]) -> Iterable[Iterable[Proposal | Array]]:
        """The proposals of several images, in their order. After an exception each image is asked for by itself."""
        return [self.propose(image, id) for image, id in zip(images, ids)]

    def propose_at(self, image: Array, id: str, x: int, y: int) -> Iterable[Proposal | Array]:
        """What to offer somebody who points at the pixel `image[y, x]` in `convert view`; the masks that have the pixel are shown. Without this, what is proposed anyway."""
        return next(iter(self.propose_batch([image], [id])))


@dataclass
class Drop:
    """A refiner's answer: the mask goes, for a reason that the run records."""

    reason: str


class Refiner(Plugin):
    """Better masks, or fewer."""

    def refine(self, image: Array, proposals: Sequence[Proposal]) -> Iterable[Proposal | Array | Drop]:
        """One answer for each proposal, in their order. An array is the same proposal with another mask."""
        raise NotImplementedError


@dataclass
class Region:
    """A proposal fitted to its image: a boolean array of the image's size."""

    mask: Array
    source: str
    score: float
    measures: dict[str, float]


@dataclass
class Subject:
    """An image with its single label and its regions."""

    id: str
    label: int
    regions: Sequence[Region]
    _image: Callable[[], Array] = field(repr=False)
    #: From the second round on: each region's classes with their probabilities, best first.
    predictions: Sequence[Sequence[tuple[int, float]]] | None = None

    @property
    def image(self) -> Array:
        """The image, decoded when it is asked for."""
        return self._image()


@dataclass
class Selection:
    """What a selector says of a region: how surely it shows `label`, and whether the labeler learns from it."""

    confidence: float
    keep: bool
    label: int


class Selector(Plugin):
    """The regions that really show the image's class."""

    #: How often regions are chosen and the labeler is trained.
    rounds: int = 1

    def select(self, subject: Subject) -> Iterable[Selection]:
        """One answer for each region, in their order."""
        raise NotImplementedError


@dataclass
class TrainingRegion:
    """A region to train on: its mask (`None` for the whole image) and the class it shows."""

    mask: Array | None
    label: int


@dataclass
class TrainingSample:
    """An image with the regions that were kept."""

    id: str
    label: int
    image: Array
    regions: Sequence[TrainingRegion]


@dataclass
class Prediction:
    """Class probabilities: K numbers for the whole image, and `[regions, K]`."""

    image: Array
    regions: Array


class LabelModel:
    """A trained labeler."""

    def predict(self, image: Array, masks: Sequence[Array]) -> Prediction:
        """The probabilities of an image and of each mask, in their order."""
        raise NotImplementedError


class Labeler(Plugin):
    """Learns classes from the kept regions, then gives class probabilities for every region."""

    def train(self, samples: Iterable[TrainingSample], folder: Path) -> Path | str | None:
        """Trains on the samples, which are read as they are asked for, as often as wanted; leaves a checkpoint in `folder`, and returns its path."""
        raise NotImplementedError

    def load(self, checkpoint: Path) -> LabelModel:
        """The model of a checkpoint."""
        raise NotImplementedError


class Postprocessor(Plugin):
    """Adjusts image-level labels."""

    def adjust(self, label: int, labels: dict[int, float]) -> Mapping[int, float]:
        """The adjusted probabilities of an image whose single label is `label`, by class."""
        raise NotImplementedError


@dataclass
class ExportSample:
    """An image with its final labels. `regions` are dictionaries with `mask`, `source`, `score`, `selected` and `classes` (class and probability, best first)."""

    id: str
    label: int
    width: int
    height: int
    labels: dict[int, float]
    regions: Sequence[dict[str, Any]]
    #: The true classes, where the dataset knows them.
    truth: Sequence[int] | None
    _image: Callable[[], Array] = field(repr=False)

    @property
    def image(self) -> Array:
        """The image, decoded when it is asked for."""
        return self._image()


class ExportWriter:
    """A file that an exporter has begun."""

    def write(self, sample: ExportSample) -> None:
        """Takes the next sample, in the order of the ids."""
        raise NotImplementedError

    def finish(self) -> None:
        """Completes the file."""


class Exporter(Plugin):
    """Writes the labelled samples to a file."""

    def begin(self, run: dict[str, Any], output: Path) -> ExportWriter:
        """Begins the file at `output`; `run` is what the run says of itself."""
        raise NotImplementedError


@dataclass
class Sample:
    """A sample of a dataset: an id that is the same in every run, and the index of its class. `revision` changes when the image's content does; 0 where nobody knows."""

    id: str
    label: int
    revision: int = 0


class Dataset(Plugin):
    """Which samples there are, and their images on demand."""

    def classes(self) -> Sequence[str]:
        """The class names."""
        raise NotImplementedError

    def samples(self) -> Iterable[Sample | tuple[str, int]]:
        """All samples, in any order."""
        raise NotImplementedError

    def image(self, id: str) -> bytes | Array | Path:
        """The image of a sample: the bytes of its file, an array, or a file's path."""
        raise NotImplementedError

    def truth(self, id: str) -> Iterable[int] | None:
        """The classes of all objects in the image, where they are known."""
        return None


class Extractor(Plugin):
    """Patch features, for `convert features`."""

    def extract(self, image: Array) -> Array:
        """A vector a patch: `[rows, columns, dimension]`."""
        raise NotImplementedError

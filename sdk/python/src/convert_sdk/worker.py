"""`python -m convert_sdk.worker`: one plugin in a process of its own. The host starts it and speaks in frames (`_frames`) over standard input and output."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import logging
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Iterator

import numpy as np

from . import _frames, _schema
from ._config import ConfigError, keys, located, read
from ._roles import (
    Context,
    Dataset,
    Drop,
    Exporter,
    ExportSample,
    Extractor,
    Labeler,
    Plugin,
    Postprocessor,
    Proposal,
    Proposer,
    Refiner,
    Region,
    Sample,
    Selector,
    Subject,
    TrainingRegion,
    TrainingSample,
)

ROLES: dict[str, type[Plugin]] = {
    "dataset": Dataset,
    "proposer": Proposer,
    "refiner": Refiner,
    "selector": Selector,
    "labeler": Labeler,
    "postprocessor": Postprocessor,
    "exporter": Exporter,
    "extractor": Extractor,
}


class Line:
    """The way to the host. What a plugin prints must not come into it: standard output is the log from here on."""

    def __init__(self) -> None:
        self._input: BinaryIO = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
        self._output: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
        # A plugin's own threads may log.
        self._lock = threading.Lock()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", buffering=0, closefd=False), line_buffering=True, write_through=True)

    def read(self) -> dict[str, Any] | None:
        return _frames.read(self._input)

    def write(self, message: dict[str, Any]) -> None:
        with self._lock:
            _frames.write(self._output, message)

    def ask(self, what: str, **details: Any) -> Any:
        """Asks the host for something in the middle of a call."""
        self.write({"ask": what, **details})
        answer = self.read()
        if answer is None:
            raise EOFError("the host has gone")
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("answer")


class ToHost(logging.Handler):
    """The logging module's records as lines of the run's log."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= 40 else "warn" if record.levelno >= 30 else "info" if record.levelno >= 20 else "debug"
        self._line.write({"log": level, "message": self.format(record)})


def load(entry: str, role: str | None = None) -> type[Plugin]:
    """The class of `FILE.py:CLASS` or `package.module:CLASS`, of any role without one."""
    place, _, name = entry.rpartition(":")
    if place.endswith(".py"):
        sys.path.insert(0, str(Path(place).parent))
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        if spec is None or spec.loader is None:
            raise ConfigError(f"{place} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    plugin = getattr(module, name, None)
    bases = tuple(ROLES.values()) if role is None else (ROLES[role],)
    if not inspect.isclass(plugin):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, bases) and value not in bases]
        raise ConfigError(f"{place} has no class {name}; its classes of {'any' if role is None else 'this'} role are {', '.join(classes) or 'none'}")
    if not issubclass(plugin, bases):
        if role is None:
            raise ConfigError(f"{name} of {place} is no plugin: derive it from a class of convert_sdk, such as Proposer")
        raise ConfigError(f"{name} of {place} is no {bases[0].__name__}: derive it from convert_sdk.{bases[0].__name__}")
    return plugin


def role_of(plugin: type[Plugin]) -> str:
    """The name of a class's role."""
    return next(role for role, base in ROLES.items() if issubclass(plugin, base))


def schema_of(plugin: type[Plugin]) -> dict[str, Any]:
    """The JSON schema of a class's config, with what the class says of itself."""
    schema = _schema.of(plugin.Config)
    texts = [_schema.documentation(plugin), schema.get("description", "")]
    return {**schema, "title": plugin.__name__, "description": "\n\n".join(filter(None, texts)), "x-role": role_of(plugin)}


def as_mask(mask: Any) -> Any:
    """A mask as it goes to the host."""
    if isinstance(mask, dict):
        counts = mask["counts"]
        return {"size": list(mask["size"]), "counts": counts.decode() if isinstance(counts, bytes) else counts}
    array = np.asarray(mask)
    if array.ndim != 2:
        raise ValueError(f"a mask has the shape {array.shape} instead of [height, width]")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "ui" or (array.size and int(array.max()) > 1):
            raise ValueError(f"a mask is of type {array.dtype}: give booleans")
        array = array.astype(np.bool_)
    return array


def as_proposal(value: Any) -> dict[str, Any]:
    proposal = value if isinstance(value, Proposal) else Proposal(value)
    score = float(proposal.score)
    if not np.isfinite(score):
        raise ValueError(f"a proposal's score is {score}")
    measures = {str(name): float(number) for name, number in proposal.measures.items()}
    return {"mask": as_mask(proposal.mask), "score": score, "measures": measures}


def same_count(given: list[Any], wanted: int, what: str) -> list[Any]:
    if len(given) != wanted:
        raise ValueError(f"gave {len(given)} {what} for {wanted}")
    return given


class Samples:
    """The training set: read from the host as it is gone through."""

    def __init__(self, line: Line, count: int) -> None:
        self._line, self._count = line, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> TrainingSample:
        if not 0 <= index < self._count:
            raise IndexError(index)
        given = self._line.ask("sample", index=index)
        if given is None:
            raise LookupError(f"image {index} cannot be read")
        regions = [TrainingRegion(None if region["mask"] is None else region["mask"].view(np.bool_), region["label"]) for region in given["regions"]]
        return TrainingSample(given["id"], given["label"], given["image"], regions)

    def __iter__(self) -> Iterator[TrainingSample]:
        for index in range(self._count):
            try:
                yield self[index]
            except LookupError:
                continue  # the host enters it as lost


class Worker:
    """A plugin and the calls that the host makes."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.plugin: Any = None
        self.model: Any = None
        self.writer: Any = None

    def init(self, role: str, entry: str, config: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        plugin = load(entry, role)
        context["cache_folder"] = Path(context["cache_folder"])
        log = lambda level, message: self.line.write({"log": level, "message": str(message)})  # noqa: E731
        progress = lambda at, total, message: self.line.write({"progress": [at, total], "message": str(message)})  # noqa: E731
        known = read(plugin.Config, config)
        try:
            self.plugin = plugin(known, Context(**context, log=log, progress=progress))
        except ConfigError as error:
            raise ConfigError(located(str(error), keys(plugin.Config, config))) from error
        return {"batch_size": int(getattr(self.plugin, "batch_size", 1)), "rounds": int(getattr(self.plugin, "rounds", 1))}

    def schema(self, entry: str) -> dict[str, Any]:
        """Instead of `init`: the schema of the class's config, before anything is built."""
        return schema_of(load(entry))

    def propose(self, images: list[Any], ids: list[str]) -> list[list[dict[str, Any]]]:
        given = [[as_proposal(proposal) for proposal in proposals] for proposals in self.plugin.propose_batch(images, ids)]
        return same_count(given, len(images), "lists of proposals")

    def propose_at(self, image: Any, id: str, x: int, y: int) -> list[dict[str, Any]]:
        return [as_proposal(proposal) for proposal in self.plugin.propose_at(image, id, x, y)]

    def refine(self, image: Any, proposals: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = [Proposal(given["mask"].view(np.bool_), given["score"], given["measures"]) for given in proposals]
        answers = same_count(list(self.plugin.refine(image, before)), len(before), "answers")
        return [self._refined(answer, proposal) for answer, proposal in zip(answers, before)]

    @staticmethod
    def _refined(answer: Any, before: Proposal) -> dict[str, Any]:
        if isinstance(answer, Drop):
            return {"drop": str(answer.reason)}
        return as_proposal(answer if isinstance(answer, Proposal) else Proposal(answer, before.score, before.measures))

    def select(self, id: str, label: int, regions: list[dict[str, Any]], predictions: Any) -> list[Any]:
        known = [Region(given["mask"].view(np.bool_), given["source"], given["score"], given["measures"]) for given in regions]
        likely = None if predictions is None else [[(int(number), float(p)) for number, p in scores] for scores in predictions]
        subject = Subject(id, label, known, lambda: self.line.ask("image"), likely)
        answers = same_count(list(self.plugin.select(subject)), len(known), "answers")
        return [{"confidence": float(answer.confidence), "keep": bool(answer.keep), "label": int(answer.label)} for answer in answers]

    def train(self, count: int, folder: str) -> str:
        checkpoint = self.plugin.train(Samples(self.line, count), Path(folder))
        return str(checkpoint or folder)

    def load(self, checkpoint: str) -> dict[str, Any]:
        self.model = self.plugin.load(Path(checkpoint))
        return {}

    def predict(self, image: Any, masks: list[Any]) -> dict[str, Any]:
        prediction = self.model.predict(image, [mask.view(np.bool_) for mask in masks])
        whole = np.asarray(prediction.image, dtype=np.float32)
        regions = np.asarray(prediction.regions, dtype=np.float32).reshape(len(masks), -1) if masks else np.zeros((0, whole.size), np.float32)
        if whole.ndim != 1 or (len(masks) and regions.shape[1] != whole.size):
            raise ValueError(f"gave probabilities of shapes {whole.shape} and {regions.shape} instead of [K] and [{len(masks)}, K]")
        return {"image": whole, "regions": regions}

    def adjust(self, label: int, labels: list[Any]) -> list[list[float]]:
        adjusted = self.plugin.adjust(label, {int(number): float(p) for number, p in labels})
        return [[int(number), float(p)] for number, p in sorted(adjusted.items())]

    def begin(self, run: dict[str, Any], output: str) -> dict[str, Any]:
        self.writer = self.plugin.begin(run, Path(output))
        return {}

    def write(self, sample: dict[str, Any]) -> dict[str, Any]:
        sample["labels"] = {int(number): float(p) for number, p in sample["labels"]}
        for region in sample["regions"]:
            region["mask"] = region["mask"].view(np.bool_)
        self.writer.write(ExportSample(**sample, _image=lambda: self.line.ask("image")))
        return {}

    def finish(self) -> dict[str, Any]:
        self.writer.finish()
        return {}

    def classes(self) -> list[str]:
        return [str(name) for name in self.plugin.classes()]

    def samples(self) -> list[list[Any]]:
        listed = [sample if isinstance(sample, Sample) else Sample(*sample) for sample in self.plugin.samples()]
        return [[sample.id, int(sample.label), int(sample.revision)] for sample in listed]

    def image(self, id: str) -> Any:
        image = self.plugin.image(id)
        if isinstance(image, (str, Path)):
            return Path(image).read_bytes()
        return image if isinstance(image, (bytes, bytearray)) else as_image(image)

    def truth(self, id: str) -> list[int] | None:
        truth = self.plugin.truth(id)
        return None if truth is None else [int(number) for number in truth]

    def extract(self, images: list[Any]) -> list[Any]:
        return [np.asarray(self.plugin.extract(image), dtype=np.float32) for image in images]


def as_image(image: Any) -> Any:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"an image is of type {array.dtype} and shape {array.shape} instead of uint8 [height, width, 3]")
    return array


def reason(error: BaseException) -> str:
    """What stands at the end of a traceback, with the place in the author's file."""
    last = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[0]
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "convert_sdk" not in frame.filename]
    return f"{last} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else last


def leave_with_the_host() -> None:
    """Ends the process when the host has gone, in whatever call it is."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    # Ctrl-C is the host's business, which lets calls end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=leave_with_the_host, daemon=True).start()
    line = Line()
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ToHost(line)])
    worker = Worker(line)
    while True:
        request = line.read()
        if request is None:
            return
        try:
            answer = {"ok": getattr(worker, request.pop("call"))(**request)}
        except EOFError:
            return
        except ConfigError as error:
            answer = {"error": str(error), "kind": "config"}
        except Exception as error:  # whatever a plugin raises is the answer to its call
            answer = {"error": reason(error), "kind": "memory" if isinstance(error, MemoryError) else "invalid"}
        try:
            line.write(answer)
        except ValueError as error:  # numbers that JSON has not
            line.write({"error": f"its answer cannot be passed on: {error}", "kind": "invalid"})


if __name__ == "__main__":
    main()

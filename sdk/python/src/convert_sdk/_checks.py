"""The checks of each role, for `convert_sdk.testing`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np

from ._bench import Bench, images, masks
from ._roles import Array, Proposer
from .worker import Worker

Check = tuple[str, Callable[[], None]]

TWICE = "the same call gives the same twice"
ANEW = "built anew it gives the same: chance comes from the seed and the id alone"


class Broken(Exception):
    """What a check found."""


def same(first: Any, second: Any, what: str) -> None:
    """That two answers are the same; numbers may differ in their last digits."""
    problem = _difference(first, second)
    if problem is not None:
        raise Broken(f"{what}: {problem}")


def _difference(first: Any, second: Any) -> str | None:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        if first.shape != second.shape:
            return f"an array of shape {first.shape} and one of {second.shape}"
        if np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return None
        apart = np.abs(first.astype(np.float64) - second.astype(np.float64)).max(initial=0)
        return f"arrays that are up to {apart:.3g} apart" if apart > 1e-3 else None
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return next(filter(None, (_difference(first[key], second[key]) for key in first)), None)
    if isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            return f"{len(first)} and {len(second)} of them"
        return next(filter(None, map(_difference, first, second)), None)
    if isinstance(first, float) and isinstance(second, float):
        return None if abs(first - second) <= 1e-3 * max(1, abs(first)) else f"{first} and {second}"
    return None if first == second else f"{first!r} and {second!r}"


def _each_image(work: Callable[[str, Array], None]) -> None:
    for name, image in images().items():
        try:
            work(name, image)
        except Broken as problem:
            raise Broken(f"of the image {name}: {problem}") from problem
        except Exception as error:
            error.args = (f"{error} (at the image {name})",)
            raise


def _twice_and_anew(bench: Bench, call: Callable[[Array, Worker | None], Any], what: str) -> Iterator[Check]:
    """The checks that a call gives the same again, in the same process and in a new one."""

    def anew() -> None:
        other = bench.built()
        _each_image(lambda name, image: same(call(image, None), call(image, other), what))

    yield TWICE, lambda: _each_image(lambda name, image: same(call(image, None), call(image, None), what))
    yield ANEW, anew


def _masks_sound(proposals: list[Any]) -> None:
    for proposal in proposals:
        mask = proposal["mask"]
        if isinstance(mask, dict) and isinstance(mask["counts"], list) and sum(mask["counts"]) != mask["size"][0] * mask["size"][1]:
            raise Broken(f"run lengths add up to {sum(mask['counts'])} for a mask of {mask['size'][0]} x {mask['size'][1]}")
        if isinstance(mask, np.ndarray) and not mask.size:
            raise Broken(f"a mask has the shape {mask.shape}")


def _proposer(bench: Bench) -> Iterator[Check]:
    def propose(image: Array, worker: Worker | None = None) -> Any:
        return bench.call("propose", worker, images=[image], ids=["a.png"])[0]

    yield "it proposes sound masks on images of every size", lambda: _each_image(lambda name, image: _masks_sound(propose(image)))
    yield from _twice_and_anew(bench, propose, "proposals")

    def batch() -> None:
        all_images = images()
        ids = [f"{number}.png" for number in range(len(all_images))]
        together = bench.call("propose", images=list(all_images.values()), ids=ids)
        for (name, image), id, found in zip(all_images.items(), ids, together):
            same(bench.call("propose", images=[image], ids=[id])[0], found, f"proposals of the image {name} alone and in a batch")

    yield "a batch gives what its images give one by one", batch

    def at(image: Array) -> Any:
        height, width = image.shape[:2]
        return bench.call("propose_at", image=image, id="a.png", x=width - 1, y=height // 2)

    if type(bench.worker.plugin).propose_at is not Proposer.propose_at:
        yield "it proposes sound masks at a point, on images of every size", lambda: _each_image(lambda name, image: _masks_sound(at(image)))


def _refiner(bench: Bench) -> Iterator[Check]:
    def refine(image: Array, worker: Worker | None = None) -> Any:
        empty = np.zeros(image.shape[:2], dtype=bool)
        proposals = [{"mask": mask.view(np.uint8), "score": 0.5, "measures": {"cut": 0.25}} for mask in [*masks(image), empty]]
        return bench.call("refine", worker, image=image, proposals=proposals)

    def sound(name: str, image: Array) -> None:
        answers = refine(image)
        _masks_sound([answer for answer in answers if "drop" not in answer])
        if any(answer.get("drop") == "" for answer in answers):
            raise Broken("it drops a mask without a reason")

    yield "it answers for every mask of images of every size, an empty one too", lambda: _each_image(sound)
    yield from _twice_and_anew(bench, refine, "answers")


def _selector(bench: Bench) -> Iterator[Check]:
    count = len(bench.classes)

    def select(image: Array, worker: Worker | None = None, later: bool = False) -> Any:
        bench.answer = lambda what, details: image
        regions = [{"mask": mask.view(np.uint8), "source": "grid", "score": 0.5 + number, "measures": {}} for number, mask in enumerate(masks(image))]
        scores = [[[label, (1 - label / count) / count] for label in range(count)] for _ in regions]
        return bench.call("select", worker, id="a.png", label=1, regions=regions, predictions=scores if later else None)

    def sound(name: str, image: Array, later: bool = False) -> None:
        for answer in select(image, later=later):
            if not 0 <= answer["confidence"] <= 1:
                raise Broken(f"a confidence is {answer['confidence']}, which is no probability")
            if not 0 <= answer["label"] < count:
                raise Broken(f"a label is {answer['label']}, but there are {count} classes")

    yield "it answers for every region of images of every size, with a probability and a class", lambda: _each_image(sound)
    if getattr(bench.worker.plugin, "rounds", 1) > 1:
        yield "so it does with predictions, in later rounds", lambda: _each_image(lambda name, image: sound(name, image, later=True))
    yield from _twice_and_anew(bench, select, "answers")


def _labeler(bench: Bench) -> Iterator[Check]:
    count = len(bench.classes)
    checkpoints: dict[str, str] = {}

    def sample(what: str, details: dict[str, Any]) -> Any:
        label = details["index"] % count
        image = np.random.default_rng(details["index"]).integers(0, 60, (24 + label, 32, 3)).astype(np.uint8)
        image[..., label % 3] += 150
        regions = [{"mask": None, "label": label}, *({"mask": mask.view(np.uint8), "label": label} for mask in masks(image)[:2])]
        return {"id": f"{details['index']}.png", "label": label, "image": image, "regions": regions}

    def train(name: str) -> None:
        bench.answer = sample
        folder = bench.folder / name
        folder.mkdir(parents=True)
        checkpoints[name] = bench.call("train", bench.built(), count=4 * count, folder=str(folder))
        if not Path(checkpoints[name]).exists():
            raise Broken(f"it names the checkpoint {checkpoints[name]}, which is not there")

    def predict(name: str, image: Array, regions: int = 3) -> Any:
        worker = bench.built()
        bench.call("load", worker, checkpoint=checkpoints[name])
        return bench.call("predict", worker, image=image, masks=[mask.view(np.uint8) for mask in masks(image)[:regions]])

    def sound(name: str, image: Array) -> None:
        for regions in (3, 0):
            answer = predict("one", image, regions)
            if answer["image"].shape != (count,) or (regions and answer["regions"].shape != (regions, count)):
                raise Broken(f"probabilities of shapes {answer['image'].shape} and {answer['regions'].shape} for {count} classes and {regions} regions")
            for numbers in (answer["image"], answer["regions"]):
                if not ((numbers >= 0) & (numbers <= 1)).all():
                    raise Broken(f"{numbers[~((numbers >= 0) & (numbers <= 1))][0]} is no probability")

    def again() -> None:
        train("two")
        _each_image(lambda name, image: same(predict("one", image), predict("two", image), "predictions after two trainings"))

    yield "it trains and leaves a checkpoint", lambda: train("one")
    yield "a new process loads the checkpoint and gives probabilities, on images of every size, without regions too", lambda: _each_image(sound)
    yield TWICE, lambda: _each_image(lambda name, image: same(predict("one", image), predict("one", image), "predictions"))
    yield "trained again it gives the same: chance comes from the seed alone", again


def _postprocessor(bench: Bench) -> Iterator[Check]:
    count = len(bench.classes)
    cases = [[[1, 1.0]], [], [[0, 0.25], [1, 1.0]], [[label, (label + 1) / count] for label in range(count)]]

    def adjust(labels: Any, worker: Worker | None = None) -> Any:
        return bench.call("adjust", worker, label=1, labels=labels)

    def sound() -> None:
        for case in cases:
            for label, probability in adjust(case):
                if not 0 <= label < count:
                    raise Broken(f"it gives a probability to the class {label}, but there are {count} classes")
                if not 0 <= probability <= 1:
                    raise Broken(f"it gives the class {label} {probability}, which is no probability")

    yield "it gives probabilities of known classes, without labels too", sound
    def again(worker: Worker | None) -> None:
        for case in cases:
            same(adjust(case), adjust(case, worker), "labels")

    yield TWICE, lambda: again(None)
    yield ANEW, lambda: again(bench.built())


def _exporter(bench: Bench) -> Iterator[Check]:
    def write(name: str, shown: dict[str, Array]) -> bytes:
        worker, output = bench.built(), bench.folder / name
        run = {"classes": list(bench.classes), "samples": len(shown), "profile": "paper", "seed": 7}
        bench.call("begin", worker, run=run, output=str(output))
        for number, image in enumerate(shown.values()):
            bench.answer = lambda what, details: image
            regions = [
                {"mask": mask.view(np.uint8), "source": "grid", "score": 0.5, "selected": number % 2 == 0, "classes": [[1, 0.75], [0, 0.25]]}
                for mask in masks(image)[: number % 4]
            ]
            truth = [1] if number % 2 else None
            size = {"width": image.shape[1], "height": image.shape[0]}
            sample = {"id": f"{number}.png", "label": 1, "labels": [[0, 0.25], [1, 1.0]], "regions": regions, "truth": truth, **size}
            bench.call("write", worker, sample=sample)
        bench.call("finish", worker)
        if not output.is_file():
            raise Broken("there is no file where it was told to write one")
        return output.read_bytes()

    def again() -> None:
        if write("one", images()) != write("two", images()):
            raise Broken("two files of the same samples differ")

    def grows() -> None:
        if len(write("all", images())) <= len(write("none-yet", {})):
            raise Broken("its file is as long without samples as with them")

    yield "it writes samples of every size, with regions and truth and without, and a file without any sample", grows
    yield "the same samples make the same file", again


def _dataset(bench: Bench) -> Iterator[Check]:
    def classes() -> None:
        names = bench.call("classes")
        if len(names) < 2 or len(set(names)) < len(names):
            raise Broken(f"its classes are {names}: at least two, each once, are needed")

    def samples() -> None:
        listed, count = bench.call("samples"), len(bench.call("classes"))
        if not listed:
            raise Broken("it has no samples")
        ids = [id for id, _, _ in listed]
        if len(set(ids)) < len(ids):
            raise Broken(f"two samples have the id {next(id for id in ids if ids.count(id) > 1)!r}")
        for id, label, _ in listed:
            if not isinstance(id, str) or not id:
                raise Broken(f"a sample has the id {id!r}: give a text")
            if not 0 <= label < count:
                raise Broken(f"{id} is of the class {label}, but there are {count} classes")

    def pictures() -> None:
        for id, _, _ in bench.call("samples")[:3]:
            image = bench.call("image", id=id)
            if not len(image):
                raise Broken(f"the image {id} is empty")
            same(image, bench.call("image", id=id), f"the image {id}")
            truth = bench.call("truth", id=id)
            if truth is not None and not all(0 <= label < len(bench.call("classes")) for label in truth):
                raise Broken(f"the true classes of {id} are {truth}, but there are {len(bench.call('classes'))} classes")

    def anew() -> None:
        worker = bench.built()
        same(bench.call("classes"), bench.call("classes", worker), "classes")
        same(sorted(bench.call("samples")), sorted(bench.call("samples", worker)), "samples")

    yield "it has at least two classes, each once", classes
    yield "its samples have ids of their own and known classes", samples
    yield "its first images can be read, and their true classes are known ones", pictures
    yield "built anew it lists the same", anew


def _extractor(bench: Bench) -> Iterator[Check]:
    dimensions: set[int] = set()

    def extract(image: Array, worker: Worker | None = None) -> Any:
        return bench.call("extract", worker, images=[image])[0]

    def sound(name: str, image: Array) -> None:
        features = extract(image)
        if features.ndim != 3 or not features.size:
            raise Broken(f"features have the shape {features.shape} instead of [rows, columns, numbers]")
        if not np.isfinite(features).all():
            raise Broken("some of its numbers are not finite")
        dimensions.add(features.shape[2])
        if len(dimensions) > 1:
            raise Broken(f"vectors have {features.shape[2]} numbers, those of another image {min(dimensions - {features.shape[2]})}")

    yield "it gives finite features on images of every size, of one length", lambda: _each_image(sound)
    yield from _twice_and_anew(bench, extract, "features")


OF_ROLE: dict[str, Callable[[Bench], Iterator[Check]]] = {
    "dataset": _dataset,
    "proposer": _proposer,
    "refiner": _refiner,
    "selector": _selector,
    "labeler": _labeler,
    "postprocessor": _postprocessor,
    "exporter": _exporter,
    "extractor": _extractor,
}

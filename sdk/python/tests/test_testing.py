"""Each check of `convert_sdk.testing` can fail: for each a class that does exactly that wrong. Started by tests/tests/python_plugins.rs with the package on PYTHONPATH."""

import contextlib
import io
import itertools
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from convert_sdk import (
    ConfigError,
    Dataset,
    Drop,
    Exporter,
    ExportWriter,
    Extractor,
    Labeler,
    LabelModel,
    Postprocessor,
    Prediction,
    Proposal,
    Proposer,
    Refiner,
    Selection,
    Selector,
)
from convert_sdk.testing import check, main, results

random = np.random.default_rng()


def whole(image: Any) -> Any:
    return np.ones(image.shape[:2], dtype=bool)


class Good(Proposer):
    def propose(self, image, id):
        return [whole(image)]


class Forgetful(Good):
    """Its schema's default is not what a missing key means."""

    @dataclass
    class Config:
        made: object = None

        def __post_init__(self):
            self.made = self.made or object()


class Unbuilt(Good):
    def setup(self):
        raise ConfigError("there are no weights")


class Talkative(Good):
    def propose(self, image, id):
        print("looking at", id)
        return super().propose(image, id)


class TooLong(Good):
    def propose(self, image, id):
        return [{"size": list(image.shape[:2]), "counts": [0, image.shape[0] * image.shape[1] + 1]}]


class TooLongAtPoints(Good):
    def propose_at(self, image, id, x, y):
        return [{"size": list(image.shape[:2]), "counts": [0, image.shape[0] * image.shape[1] + 1]}]


class NoSmallOnes(Good):
    def propose(self, image, id):
        if min(image.shape[:2]) < 16:
            raise ValueError("too small")
        return [whole(image)]


class Moody(Good):
    def propose(self, image, id):
        return [Proposal(whole(image), score=float(random.random()))]


class Remembering(Good):
    """The same twice, but not as a new process has it."""

    def setup(self):
        self.seed = random.random()

    def propose(self, image, id):
        return [Proposal(whole(image), score=self.seed)]


class Averaging(Good):
    batch_size = 4

    def propose_batch(self, images, ids):
        mean = float(np.mean([image.mean() for image in images]))
        return [[Proposal(whole(image), score=mean)] for image in images]


class LosesOne(Refiner):
    def refine(self, image, proposals):
        return [proposal for proposal in proposals if proposal.mask.any()]


class WithoutReason(Refiner):
    def refine(self, image, proposals):
        return [Drop("") for _ in proposals]


class MoodyRefiner(Refiner):
    def refine(self, image, proposals):
        return [Proposal(proposal.mask, float(random.random())) for proposal in proposals]


class TooSure(Selector):
    def select(self, subject):
        return [Selection(region.score, True, subject.label) for region in subject.regions]


class OtherClass(Selector):
    def select(self, subject):
        return [Selection(0.5, True, 3) for _ in subject.regions]


class OneRound(Selector):
    rounds = 2

    def select(self, subject):
        if subject.predictions is not None:
            raise LookupError("what now?")
        return [Selection(subject.image.mean() / 255, True, subject.label) for _ in subject.regions]


class MoodySelector(Selector):
    def select(self, subject):
        return [Selection(random.random(), True, subject.label) for _ in subject.regions]


class Even(LabelModel):
    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def predict(self, image, masks):
        return Prediction(self.numbers, np.array([self.numbers for _ in masks]))


class NoCheckpoint(Labeler):
    def train(self, samples, folder):
        return folder / "model.npy"

    def load(self, checkpoint):
        return Even(np.full(3, 1 / 3))


class TooFew(Labeler):
    def train(self, samples, folder):
        return None

    def load(self, checkpoint):
        return Even(np.full(2, 1 / 2))


class Logits(TooFew):
    def load(self, checkpoint):
        return Even(np.array([-1.0, 0, 1]))


class InMemory(Labeler):
    """Forgets what it has learned with its process."""

    def train(self, samples, folder):
        self.numbers = np.full(3, 1 / 3)

    def load(self, checkpoint):
        return Even(self.numbers)


class MoodyTraining(Labeler):
    def train(self, samples, folder):
        np.save(folder / "model.npy", random.random(3))
        return folder / "model.npy"

    def load(self, checkpoint):
        return Even(np.load(checkpoint))


class MoodyModel(TooFew):
    def load(self, checkpoint):
        return Even(random.random(3))


class Doubling(Postprocessor):
    def adjust(self, label, labels):
        return {number: 2 * p for number, p in labels.items()}


class Inventing(Postprocessor):
    def adjust(self, label, labels):
        return {**labels, 3: 0.5}


class MoodyPostprocessor(Postprocessor):
    def adjust(self, label, labels):
        return {0: random.random()}


class Writer(ExportWriter):
    def __init__(self, output: Path, line: Any) -> None:
        self.file, self.line = open(output, "w"), line

    def write(self, sample):
        self.file.write(f"{self.line()}\n")

    def finish(self):
        self.file.close()


class Elsewhere(Exporter):
    def begin(self, run, output):
        return Writer(output.with_suffix(".tmp"), lambda: 1)


class Silent(Exporter):
    def begin(self, run, output):
        output.touch()
        return Nothing()


class Nothing(ExportWriter):
    def write(self, sample):
        pass


numbers = itertools.count()


class Counting(Exporter):
    def begin(self, run, output):
        return Writer(output, lambda: next(numbers))


class Flat(Extractor):
    def extract(self, image):
        return image.mean(axis=(0, 1))


class Unbounded(Extractor):
    def extract(self, image):
        with np.errstate(divide="ignore"):
            return 1 / image.mean(axis=(0, 1), keepdims=True)


class AsWide(Extractor):
    def extract(self, image):
        return image[:, :, 0].reshape(1, image.shape[0], image.shape[1])


class MoodyExtractor(Extractor):
    def extract(self, image):
        return random.random((1, 1, 3))


class Fine(Dataset):
    names = ["apple", "pear"]
    listed: Any = [("a", 0), ("b", 1)]

    def classes(self):
        return self.names

    def samples(self):
        return self.listed

    def image(self, id):
        return np.zeros((2, 2, 3), dtype=np.uint8)


class OneClass(Fine):
    names = ["apple"]
    listed = [("a", 0)]


class SameIds(Fine):
    listed = [("a", 0), ("a", 1)]


class UnknownClass(Fine):
    listed = [("a", 2)]


class Empty(Fine):
    listed = []


class Unreadable(Fine):
    def image(self, id):
        return Path("/no/such/file.png")


class FalseTruth(Fine):
    def truth(self, id):
        return [5]


class Growing(Fine):
    def setup(self):
        self.listed = [(f"{next(numbers)}", 0)]


TWICE, ANEW = "the same call gives the same twice", "built anew it gives the same"

#: What each class does wrong: the beginnings of the checks that it fails, and what the first says.
WRONG = [
    (Forgetful, ["its config has a schema"], "the defaults of its schema make another config"),
    (Unbuilt, ["it can be built"], "ConfigError: there are no weights (test_testing.py:"),
    (Talkative, ["it prints nothing"], "the first of them 'looking at a.png'"),
    (TooLong, ["it proposes sound masks"], "of the image 1 x 1: run lengths add up to 2 for a mask of 1 x 1"),
    (TooLongAtPoints, ["it proposes sound masks at a point"], "of the image 1 x 1: run lengths add up to 2 for a mask of 1 x 1"),
    (NoSmallOnes, ["it proposes sound masks", TWICE, ANEW, "a batch gives"], "ValueError: too small (at the image 1 x 1)"),
    (Moody, [TWICE, ANEW, "a batch gives"], "of the image 1 x 1: proposals: 0."),
    (Remembering, [ANEW], "of the image 1 x 1: proposals: 0."),
    (Averaging, ["a batch gives"], "proposals of the image 1 x 1 alone and in a batch: "),
    (LosesOne, ["it answers for every mask", TWICE, ANEW], "gave 3 answers for 4"),
    (WithoutReason, ["it answers for every mask"], "it drops a mask without a reason"),
    (MoodyRefiner, [TWICE, ANEW], "answers: 0."),
    (TooSure, ["it answers for every region"], "a confidence is 1.5, which is no probability"),
    (OtherClass, ["it answers for every region"], "a label is 3, but there are 3 classes"),
    (OneRound, ["so it does with predictions"], "LookupError: what now? (at the image 1 x 1)"),
    (MoodySelector, [TWICE, ANEW], "answers: 0."),
    (NoCheckpoint, ["it trains and leaves a checkpoint", "trained again"], "model.npy, which is not there"),
    (TooFew, ["a new process loads"], "probabilities of shapes (2,) and (3, 2) for 3 classes and 3 regions"),
    (Logits, ["a new process loads"], "-1.0 is no probability"),
    (InMemory, ["a new process loads", TWICE, "trained again"], "AttributeError: 'InMemory' object has no attribute 'numbers'"),
    (MoodyTraining, ["trained again"], "predictions after two trainings: arrays that are up to "),
    (MoodyModel, [TWICE, "trained again"], "predictions: arrays that are up to "),
    (Doubling, ["it gives probabilities of known classes"], "it gives the class 1 2.0, which is no probability"),
    (Inventing, ["it gives probabilities of known classes"], "to the class 3, but there are 3 classes"),
    (MoodyPostprocessor, [TWICE, ANEW], "labels: 0."),
    (Elsewhere, ["it writes samples of every size", "the same samples make"], "there is no file where it was told to write one"),
    (Silent, ["it writes samples of every size"], "its file is as long without samples as with them"),
    (Counting, ["the same samples make"], "two files of the same samples differ"),
    (Flat, ["it gives finite features"], "features have the shape (3,) instead of [rows, columns, numbers]"),
    (Unbounded, ["it gives finite features"], "of the image black: some of its numbers are not finite"),
    (AsWide, ["it gives finite features"], "of the image odd, 37 x 53: vectors have 53 numbers, those of another image 1"),
    (MoodyExtractor, [TWICE, ANEW], "features: arrays that are up to "),
    (OneClass, ["it has at least two classes"], "its classes are ['apple']: at least two, each once, are needed"),
    (SameIds, ["its samples have ids"], "two samples have the id 'a'"),
    (UnknownClass, ["its samples have ids"], "a is of the class 2, but there are 2 classes"),
    (Empty, ["its samples have ids"], "it has no samples"),
    (Unreadable, ["its first images can be read"], "FileNotFoundError"),
    (FalseTruth, ["its first images can be read"], "the true classes of a are [5], but there are 2 classes"),
    (Growing, ["built anew it lists the same"], "samples: "),
]


class Checks(unittest.TestCase):
    def test_each_check_fails_for_the_class_that_does_it_wrong_and_for_no_other(self) -> None:
        failing, every = set(), set()
        for plugin, checks, said in WRONG:
            with self.subTest(plugin.__name__):
                all_results = list(results(plugin))
                failed = [result for result in all_results if result.problem is not None]
                every.update(result.name for result in all_results)
                failing.update(result.name for result in failed)
                shown = "\n".join(map(str, failed))
                self.assertEqual(len(failed), len(checks), shown)
                for result, beginning in zip(failed, checks):
                    self.assertTrue(result.name.startswith(beginning), shown)
                self.assertIn(said, str(failed[0].problem))
        self.assertEqual(failing, every, "a check that no class fails")

    def test_a_sound_class_passes_and_a_bad_one_raises_all_that_is_wrong(self) -> None:
        check(Good)
        check(Fine)
        with self.assertRaisesRegex(AssertionError, "Moody does not keep to its role:\nFAILED  the same call.*\nFAILED  built anew"):
            check(Moody)

    def test_the_command_says_a_line_a_check_and_its_code(self) -> None:
        def run(name: str, *more: str) -> tuple[int, list[str], str]:
            out, errors = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                code = main([f"{__file__}:{name}", *more])
            return code, out.getvalue().splitlines(), errors.getvalue()

        code, lines, _ = run("Good")
        self.assertEqual((code, {line[:8] for line in lines}, len(lines)), (0, {"ok      "}, 7))
        code, lines, _ = run("Averaging")
        self.assertEqual((code, [line[:8] for line in lines].count("FAILED  ")), (1, 1))
        code, _, errors = run("Absent")
        self.assertEqual(code, 2)
        self.assertIn("has no class Absent", errors)
        code, lines, _ = run("Good", "--config", '{"a": 1}', "--classes", "x,y")
        self.assertEqual(code, 0)
        self.assertEqual(run("Good", "--config", "{")[0], 2)


if __name__ == "__main__":
    unittest.main()

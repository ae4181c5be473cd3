"""A small plugin of every role, with numpy alone: what `convert` gives each, and what it wants back. A recipe names them as `roles.py:Corners` and so on."""

import json
from dataclasses import dataclass
from pathlib import Path

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


class Folder(Dataset):
    """Images named CLASS-NUMBER.png in one folder."""

    @dataclass
    class Config:
        folder: str

    def setup(self):
        self.files = {path.name: path for path in Path(self.config.folder).glob("*.png")}
        self.names = sorted({name.rsplit("-", 1)[0] for name in self.files})

    def classes(self):
        return self.names

    def samples(self):
        return [(name, self.names.index(name.rsplit("-", 1)[0])) for name in self.files]

    def image(self, id):
        return self.files[id]


class Quarters(Proposer):
    """The four quarters of an image, the brightest first."""

    def propose(self, image, id):
        height, width = image.shape[:2]
        for top in (0, height // 2):
            for left in (0, width // 2):
                mask = np.zeros((height, width), dtype=bool)
                mask[top : top + height // 2, left : left + width // 2] = True
                yield Proposal(mask, score=float(image[mask].mean()), measures={"top": top, "left": left})


class DropDark(Refiner):
    """Drops masks whose pixels are darker than a limit."""

    @dataclass
    class Config:
        darkest: float = 40.0

        def __post_init__(self):
            if self.darkest < 0:
                raise ValueError(f"darkest is {self.darkest}: give 0 or more")

    def refine(self, image, proposals):
        for proposal in proposals:
            mean = image[proposal.mask].mean()
            yield proposal if mean >= self.config.darkest else Drop(f"its mean is {mean:.0f}")


class Brightest(Selector):
    """Keeps the region with the highest score, for the image's label."""

    def select(self, subject):
        best = max(region.score for region in subject.regions)
        return [Selection(confidence=region.score / 255, keep=region.score == best, label=subject.label) for region in subject.regions]


def colour(image, mask):
    return image[mask].mean(axis=0) / 255


class Means(LabelModel):
    def __init__(self, means):
        self.means = means

    def predict(self, image, masks):
        def near(vector):
            weights = np.exp(-20 * ((self.means - vector) ** 2).sum(axis=1))
            return weights / weights.sum()

        whole = near(image.reshape(-1, 3).mean(axis=0) / 255)
        return Prediction(whole, np.array([near(colour(image, mask)) for mask in masks]))


class MeanColour(Labeler):
    """The class whose mean colour is nearest."""

    def train(self, samples, folder):
        sums, counts = np.zeros((len(self.context.classes), 3)), np.zeros(len(self.context.classes))
        for at, sample in enumerate(samples):
            for region in sample.regions:
                mask = np.ones(sample.image.shape[:2], bool) if region.mask is None else region.mask
                sums[region.label] += colour(sample.image, mask)
                counts[region.label] += 1
            self.context.progress(at + 1, len(samples), "mean colours")
        np.save(folder / "means.npy", sums / np.maximum(counts, 1)[:, None])
        return folder / "means.npy"

    def load(self, checkpoint):
        return Means(np.load(checkpoint))


class AtLeast(Postprocessor):
    """Forgets labels below a probability; the original label stays."""

    def setup(self):
        if not 0 <= self.config.get("probability", 0.1) <= 1:
            raise ConfigError("config.probability must be from 0 to 1")

    def adjust(self, label, labels):
        least = self.config.get("probability", 0.1)
        return {number: p for number, p in labels.items() if p >= least or number == label}


class Lines(ExportWriter):
    def __init__(self, file, classes):
        self.file, self.classes = file, classes

    def write(self, sample):
        row = {"id": sample.id, "labels": [self.classes[number] for number in sample.labels], "mean": float(sample.image.mean())}
        self.file.write(json.dumps(row) + "\n")

    def finish(self):
        self.file.close()


class JsonLines(Exporter):
    """An object a line, with the names of the labels."""

    def begin(self, run, output):
        return Lines(open(output, "w"), self.context.classes)


class Blocks(Extractor):
    """The mean colour of blocks of 16 x 16 pixels."""

    def extract(self, image):
        rows, columns = image.shape[0] // 16, image.shape[1] // 16
        return image[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16, 3).mean(axis=(1, 3)) / 255

"""A labeler: the class whose mean colour is nearest."""

import numpy as np

from convert_sdk import Labeler, LabelModel, Prediction


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

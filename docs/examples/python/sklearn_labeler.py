"""A labeler through scikit-learn: logistic regression on the mean and the deviation of a region's colours.

    label: { plugin: python, config: { entry: sklearn_labeler.py:Logistic, config: { C: 1.0 } } }

The same shape takes any estimator with `predict_proba`, and any features.
"""

import pickle
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convert_sdk import Labeler, LabelModel, Prediction


def features(image, mask=None):
    pixels = image[mask] if mask is not None else image.reshape(-1, 3)
    return np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)]) / 255


class Model(LabelModel):
    def __init__(self, estimator, classes):
        self.estimator, self.classes = estimator, classes

    def predict(self, image, masks):
        vectors = [features(image)] + [features(image, mask) for mask in masks]
        known = self.estimator.predict_proba(np.array(vectors))
        # Classes that no training region showed have probability 0.
        all_of_them = np.zeros((len(vectors), self.classes))
        all_of_them[:, self.estimator.classes_] = known
        return Prediction(all_of_them[0], all_of_them[1:])


class Logistic(Labeler):
    @dataclass
    class Config:
        C: float = 1.0

    def train(self, samples, folder):
        vectors, labels = [], []
        for at, sample in enumerate(samples):
            for region in sample.regions:
                vectors.append(features(sample.image, region.mask))
                labels.append(region.label)
            self.context.progress(at + 1, len(samples), "features")
        estimator = make_pipeline(StandardScaler(), LogisticRegression(C=self.config.C, max_iter=1000, random_state=self.context.seed))
        estimator.fit(np.array(vectors), labels)
        (folder / "model.pickle").write_bytes(pickle.dumps(estimator))
        return folder / "model.pickle"

    def load(self, checkpoint):
        # A checkpoint of this run's own folder: a pickle from elsewhere could run anything.
        return Model(pickle.loads(checkpoint.read_bytes()), len(self.context.classes))

"""Superpixels merged by colour as a proposer, through scikit-image: SLIC, a graph of neighbouring superpixels, and hierarchical merging up to several thresholds.

    proposals:
      - plugin: python
        config: { entry: slic.py:Slic, config: { superpixels: 200 } }

Needs scikit-image. Plain and quick to change; the proposer `selective-search` finds more (docs/proposals.md).
"""

from dataclasses import dataclass, field

import numpy as np
from skimage import graph, measure, segmentation

from convert_sdk import Proposal, Proposer


class Slic(Proposer):
    @dataclass
    class Config:
        superpixels: int = 200
        compactness: float = 10.0
        thresholds: list[float] = field(default_factory=lambda: [15.0, 25.0, 35.0, 50.0])  # differences of mean colours, in grey levels
        side: int = 320  # the longer side that images are reduced to
        min_area: float = 0.002  # of the image
        max_area: float = 0.95

    def propose(self, image, id):
        image = image[:: self.step(image), :: self.step(image)]
        labels = segmentation.slic(image, n_segments=self.config.superpixels, compactness=self.config.compactness, start_label=1)
        if labels.max() < 2:
            return  # nothing to merge
        seen = set()
        for threshold in sorted(self.config.thresholds):
            merged = graph.merge_hierarchical(
                labels,
                graph.rag_mean_color(image, labels),
                thresh=threshold,
                rag_copy=False,
                in_place_merge=True,
                merge_func=self.merge,
                weight_func=self.difference,
            )
            for region in measure.regionprops(merged + 1):
                mask = merged + 1 == region.label
                if self.config.min_area <= mask.mean() <= self.config.max_area and mask.tobytes() not in seen:
                    seen.add(mask.tobytes())
                    yield Proposal(mask, score=float(region.extent))  # the share of its box that it fills

    def step(self, image):
        return max(round(max(image.shape) / self.config.side), 1)

    @staticmethod
    def merge(regions, source, target):
        """`target` becomes both: sums of colours and pixels, and their mean."""
        regions.nodes[target]["total color"] += regions.nodes[source]["total color"]
        regions.nodes[target]["pixel count"] += regions.nodes[source]["pixel count"]
        regions.nodes[target]["mean color"] = regions.nodes[target]["total color"] / regions.nodes[target]["pixel count"]

    @staticmethod
    def difference(regions, source, target, neighbour):
        return {"weight": np.linalg.norm(regions.nodes[target]["mean color"] - regions.nodes[neighbour]["mean color"])}

"""Segment Anything as a proposer, through the mask generation of `transformers`: a grid of points, thresholds for predicted IoU and stability, non-maximum suppression.

    proposals:
      - plugin: python
        config: { entry: sam.py:Sam, config: { model: facebook/sam-vit-base }, timeout_s: 3600 }

Needs torch, torchvision, transformers and Pillow. The first run fetches the model; a folder with one works without a network.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from transformers import pipeline

from convert_sdk import Proposal, Proposer


class Sam(Proposer):
    @dataclass
    class Config:
        model: str = "facebook/sam-vit-base"
        points_per_side: int = 32
        points_per_batch: int = 64
        pred_iou_thresh: float = 0.88
        stability_score_thresh: float = 0.95
        crops_nms_thresh: float = 0.7
        min_area: float = 0.001  # of the image

    def setup(self):
        torch.manual_seed(self.context.seed)
        torch.set_num_threads(max(self.context.threads, 1))
        self.generate = pipeline("mask-generation", model=self.config.model, device=self.context.device)
        names = ("points_per_batch", "pred_iou_thresh", "stability_score_thresh", "crops_nms_thresh")
        self.options = {name: getattr(self.config, name) for name in names}
        self.options["points_per_crop"] = self.config.points_per_side

    def propose(self, image, id):
        found = self.generate(Image.fromarray(image), **self.options)
        for mask, score in zip(found["masks"], found["scores"]):
            mask = np.asarray(mask, dtype=bool)
            if mask.mean() >= self.config.min_area:
                yield Proposal(mask, score=float(score))

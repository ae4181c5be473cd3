"""Segment Anything as a proposer, through the mask generation of `transformers`: a grid of points, thresholds for predicted IoU and stability, non-maximum suppression.

    proposals:
      - plugin: python
        config: { entry: sam.py:Sam, config: { model: facebook/sam-vit-base }, timeout_s: 3600 }

A click in `convert view` gives what the model finds at that point. Needs torch, torchvision, transformers and Pillow. The first run fetches the model; a folder with one works without a network.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from transformers import SamProcessor, pipeline

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
        self.processor = SamProcessor(self.generate.image_processor)
        self.seen = None  # the image that was clicked on last, and its embedding, which takes nearly all of the time

    def propose(self, image, id):
        found = self.generate(Image.fromarray(image), **self.options)
        for mask, score in zip(found["masks"], found["scores"]):
            mask = np.asarray(mask, dtype=bool)
            if mask.mean() >= self.config.min_area:
                yield Proposal(mask, score=float(score))

    @torch.no_grad()
    def propose_at(self, image, id, x, y):
        model = self.generate.model
        inputs = self.processor(Image.fromarray(image), input_points=[[[x, y]]], return_tensors="pt").to(model.device)
        if self.seen is None or not np.array_equal(self.seen[0], image):
            self.seen = image.copy(), model.get_image_embeddings(inputs["pixel_values"])
        found = model(image_embeddings=self.seen[1], input_points=inputs["input_points"].to(model.dtype))
        masks = self.processor.post_process_masks(found.pred_masks.cpu(), inputs["original_sizes"], inputs["reshaped_input_sizes"])
        for mask, score in zip(masks[0][0], found.iou_scores[0, 0]):
            if mask.any():
                yield Proposal(mask.numpy(), score=float(score))

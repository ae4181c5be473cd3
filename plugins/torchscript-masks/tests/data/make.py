"""Makes the small modules of ../modules.rs: python make.py (torch 2.11).

Each looks for red, green and blue: a pixel is in a channel's mask by how far the channel is above the mean of all three.
"""
import pathlib
from typing import Dict, List, Tuple

import torch
from torch import Tensor

here = pathlib.Path(__file__).parent


class Channels(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.sharpness = torch.nn.Parameter(torch.tensor(20.0))

    def logits(self, image: Tensor) -> Tensor:
        return self.sharpness * (image[0] - image[0].mean(dim=0) - 0.25)


class Tuples(Channels):
    """Probabilities [3, h, w] at half the size, and a score of each."""

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
        logits = torch.nn.functional.avg_pool2d(self.logits(image), 2)
        return logits.sigmoid(), torch.tensor([0.5, 0.9, 0.7])


class Dictionaries(Channels):
    """A list of one dictionary, as of a batch: logits [3, 1, h, w], scores [3, 1], and more."""

    def forward(self, image: Tensor) -> List[Dict[str, Tensor]]:
        logits = self.logits(image)
        return [{"masks": logits[:, None], "scores": torch.tensor([[0.5], [0.9], [0.7]]), "labels": torch.zeros(3)}]


class Masks(Channels):
    """Boolean masks [1, 3, h, w] alone."""

    def forward(self, image: Tensor) -> Tensor:
        return (self.logits(image) > 0)[None]


class Probabilities(Channels):
    """Probabilities [3, 1, h, w] alone."""

    def forward(self, image: Tensor) -> Tensor:
        return self.logits(image).sigmoid()[:, None]


class Unfit(Channels):
    """Three masks and two scores."""

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
        return self.logits(image), torch.tensor([0.5, 0.9])


class Flat(Channels):
    """Masks without a height."""

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
        return self.logits(image).flatten(1), torch.tensor([0.5, 0.9, 0.7])


class Words(Channels):
    """No tensor."""

    def forward(self, image: Tensor) -> str:
        return "three masks"


class Undefined(Channels):
    """NaN where anything is red."""

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:
        logits = self.logits(image)
        return torch.where(logits[:1] > 0, float("nan"), logits), torch.tensor([0.5, 0.9, 0.7])


for module in (Tuples(), Dictionaries(), Masks(), Probabilities(), Unfit(), Flat(), Words(), Undefined()):
    torch.jit.script(module.eval()).save(str(here / f"{type(module).__name__.lower()}.pt"))

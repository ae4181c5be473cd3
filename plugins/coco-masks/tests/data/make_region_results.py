"""Writes region_results.pt, the authors' form of region results: python make_region_results.py (needs PyTorch)."""
import pathlib

import torch

results = {
    1: {"prob": torch.tensor([0.5, 0.25, 0.125, 0.0625, 0.03125]), "label": torch.tensor([3, 5, 6, 1, 7])},
    12: {"prob": torch.tensor([0.75, 0.125, 0.0625, 0.03125, 0.015625], dtype=torch.float16), "label": torch.tensor([0, 1, 2, 7, 8], dtype=torch.int32)},
}
torch.save(results, pathlib.Path(__file__).with_name("region_results.pt"))

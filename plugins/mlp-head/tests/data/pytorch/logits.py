#!/usr/bin/env python3
"""Loads a head that `convert` trained into PyTorch and writes the logits of random vectors.

    logits.py HEAD.safetensors OUT.safetensors

OUT has `inputs` [8, d] and `logits` [8, K]. Needs torch and safetensors. `head.safetensors` beside this file was trained on synthetic scenes (20 epochs, 16 hidden
units, standardised features); `logits.safetensors` was made from it with PyTorch 2.11.
"""
import sys

import torch
from safetensors.torch import load_file, save_file

tensors = load_file(sys.argv[1])
layers = sorted(int(name.split(".")[0]) for name in tensors if name.endswith(".weight"))
modules = []
for layer in layers:
    outputs, inputs = tensors[f"{layer}.weight"].shape
    modules += [torch.nn.Linear(inputs, outputs), torch.nn.GELU()]
head = torch.nn.Sequential(*modules[:-1])
head.load_state_dict(tensors, strict=True)
torch.manual_seed(0)
inputs = torch.randn(8, tensors["0.weight"].shape[1])
with torch.no_grad():
    save_file({"inputs": inputs, "logits": head(inputs)}, sys.argv[2])

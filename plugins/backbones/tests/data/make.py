"""Makes the small random models of ../families.rs and what they give in PyTorch: python make.py (torch 2.11, transformers 5.23).

Each folder has weights as the Hugging Face hub has them and features.safetensors: q, k and v of the last block, and the final-norm patch tokens, of an
image of the formula in ../families.rs. `module.pt` is a TorchScript module of the form [B, 3, S, S] -> [B, d, h', w'].
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers import (Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel, DINOv3ViTConfig, DINOv3ViTModel, ViTConfig,
                          ViTModel)

here = pathlib.Path(__file__).parent
COMMON = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2)


def picture(side):
    y, x, c = torch.meshgrid(torch.arange(side), torch.arange(side), torch.arange(3), indexing="ij")
    pixels = ((7 * x + 13 * y + 31 * c + x * y) % 256).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pixels - mean) / std).permute(2, 0, 1)[None]


def make(name, model, side, extra):
    torch.manual_seed(len(name))
    for parameter in model.parameters():  # nothing at its neutral initial value
        torch.nn.init.normal_(parameter, std=0.2)
    model.eval()
    found = {}
    for kind, module in projections(model).items():
        module.register_forward_hook(lambda _, __, output, kind=kind: found.__setitem__(kind, output.detach()))
    with torch.no_grad():
        output = model(picture(side)).last_hidden_state
    features = {kind: tensor[0, extra:].contiguous() for kind, tensor in found.items()}
    features["patch"] = output[0, extra:].contiguous()
    model.save_pretrained(here / name)
    save_file(features, here / name / "features.safetensors", metadata={"side": str(side)})


def projections(model):
    """Of the last block: later names win."""
    return {name[-6]: module for name, module in model.named_modules() if name.endswith(("q_proj", "k_proj", "v_proj"))}


make("vit", ViTModel(ViTConfig(**COMMON, intermediate_size=64, image_size=32, patch_size=8, hidden_act="gelu"), add_pooling_layer=False), 32, 1)
make("dinov2", Dinov2Model(Dinov2Config(**COMMON, mlp_ratio=2, image_size=42, patch_size=14, use_swiglu_ffn=True)), 42, 1)
make("dinov2-registers", Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**COMMON, mlp_ratio=2, image_size=70, patch_size=14)), 42, 5)
make("dinov3", DINOv3ViTModel(DINOv3ViTConfig(**COMMON, intermediate_size=64, patch_size=16, num_register_tokens=4)), 48, 5)
gated = DINOv3ViTConfig(**COMMON, intermediate_size=48, patch_size=16, num_register_tokens=4, use_gated_mlp=True, hidden_act="silu")
make("dinov3-gated", DINOv3ViTModel(gated), 64, 5)

torch.manual_seed(1)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8), torch.nn.GELU(), torch.nn.Conv2d(8, 6, 1)).eval()
torch.jit.script(network).save(str(here / "module.pt"))
with torch.no_grad():
    save_file({"patch": network(picture(32))[0].flatten(1).T.contiguous()}, here / "module.features.safetensors")

"""Segment Anything of random weights and the real classes.

`tiny_sam.py make MODEL` writes one; `tiny_sam.py compare MODEL DATA ANNOTATIONS` compares a run's masks with those that transformers makes; `tiny_sam.py click MODEL SAM DATA` those of a class `Sam`
at a point, of image after image and back.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco
from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor, pipeline

OPTIONS = {"pred_iou_thresh": -100.0, "stability_score_thresh": 0.0, "crops_nms_thresh": 0.9, "points_per_crop": 12}


def make(folder):
    torch.manual_seed(3)
    vision = {"hidden_size": 32, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 128, "patch_size": 16, "window_size": 4,
              "global_attn_indexes": [1], "mlp_dim": 64, "num_pos_feats": 8, "initializer_range": 0.4}  # its own default, 1e-10, would make it blind
    prompts = {"hidden_size": 16, "image_size": 128, "patch_size": 16, "image_embedding_size": 8, "mask_input_channels": 4}
    masks = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 32, "iou_head_hidden_dim": 16, "attention_downsample_rate": 2}
    config = SamConfig(initializer_range=0.4, vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=masks)
    SamModel(config).eval().save_pretrained(folder)
    square = lambda side: {"height": side, "width": side}  # noqa: E731
    images = SamImageProcessor(size={"longest_edge": 128}, pad_size=square(128), mask_size={"longest_edge": 32}, mask_pad_size=square(32))
    SamProcessor(images).save_pretrained(folder)


def compare(folder, data, annotations):
    file = json.loads(Path(annotations).read_text())
    generate = pipeline("mask-generation", model=folder, device="cpu")
    worst, count = 1.0, 0
    for image in file["images"]:
        ours = [coco.decode(one["segmentation"]).astype(bool) for one in file["annotations"] if one["image_id"] == image["id"]]
        found = generate(Image.open(Path(data) / image["file_name"]).convert("RGB"), points_per_batch=64, **OPTIONS)["masks"]
        theirs = [mask for mask in (np.asarray(mask, dtype=bool) for mask in found) if mask.mean() >= 0.001]
        assert len(ours) == len(theirs) > 0, (image, len(ours), len(theirs))
        for mask in theirs:
            worst = min(worst, max((mask & own).sum() / (mask | own).sum() for own in ours))
            count += 1
    print(f"{count} masks, the worst IoU {worst:.4f}")


def click(folder, source, data):
    from convert_sdk._bench import Bench
    from convert_sdk.worker import load

    bench = Bench(load(f"{source}:Sam"), {"model": folder}, [], Path())
    model, processor = SamModel.from_pretrained(folder).eval(), SamProcessor.from_pretrained(folder)
    photos = [Image.open(file).convert("RGB") for file in sorted(Path(data).rglob("*.png"))]
    photos[1] = photos[1].resize((77, 51))
    count = 0
    for photo, (x, y) in zip([photos[0], photos[1], photos[0], photos[0]], [(9, 20), (60, 50), (9, 20), (30, 31)]):
        inputs = processor(images=photo, input_points=[[[x, y]]], return_tensors="pt").to(torch.float32)
        with torch.no_grad():
            found = model(inputs["pixel_values"], input_points=inputs["input_points"])
        sizes = [tuple(reversed(photo.size))]
        theirs = processor.image_processor.post_process_masks(found.pred_masks, sizes, inputs["reshaped_input_sizes"])[0][0].numpy()
        theirs = [(mask, score) for mask, score in zip(theirs, found.iou_scores[0, 0]) if mask.any()]
        ours = bench.call("propose_at", image=np.array(photo), id="any", x=x, y=y)
        assert len(ours) == len(theirs), (photo.size, len(ours), len(theirs))
        for own, (mask, score) in zip(ours, theirs):
            own_mask = np.asarray(own["mask"]).astype(bool)
            assert own_mask.shape == mask.shape and (own_mask != mask).mean() < 0.001 and abs(own["score"] - score) < 1e-4, (own["score"], score)
            count += 1
    assert count > 0
    print(f"{count} masks at a point")


globals()[sys.argv[1]](*sys.argv[2:])

#!/usr/bin/env python3
"""How fast the ViTs are beside PyTorch's: ratios of one run, on the same random weights, threads and version of libtorch.

    cargo build --release -p convert-backbones --example throughput
    PYTHON scripts/bench-backbones.py [MODEL [THREADS]]     (a Python with torch 2.11 and transformers; MODEL is a part of a name, such as L/16)

Rounds alternate between the two programs; the median round counts. PyTorch runs transformers' DINOv3ViTModel on one image at a time under inference_mode with all
its threads on it; ours gives each thread an image. A ratio above 1 means that ours is faster.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
THROUGHPUT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples/throughput"
ROUNDS, IMAGES, THREADS = 3, 2, os.cpu_count()
MODELS = {
    "ViT-B/16 at 768": (dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072), 768),
    "ViT-L/16 at 512": (dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096), 512),
}


def pytorch(folder, size, precision, threads):
    import torch
    from transformers import DINOv3ViTModel

    torch.set_num_threads(threads)
    model = DINOv3ViTModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    image = torch.rand(1, 3, size, size)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        model(image)
        start = time.perf_counter()
        for _ in range(IMAGES):
            model(image)
        print(time.perf_counter() - start)


def seconds(command):
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(THREADS)}).stdout.split()[-1])


def ours(folder, size, feature, precision, threads):
    return seconds([str(THROUGHPUT), "dinov3", folder, str(size), feature, precision, str(threads), str(IMAGES)])


def theirs(folder, size, precision, threads):
    return seconds([sys.executable, __file__, folder, str(size), precision, str(threads)])


def main():
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    with tempfile.TemporaryDirectory() as place:
        wanted = sys.argv[1] if len(sys.argv) > 1 else ""
        counts = [int(sys.argv[2])] if len(sys.argv) > 2 else sorted({1, THREADS})
        for name, (shape, size) in ((name, model) for name, model in MODELS.items() if wanted in name):
            folder = f"{place}/{size}"
            DINOv3ViTModel(DINOv3ViTConfig(**shape, num_register_tokens=4)).save_pretrained(folder)
            for threads in counts:
                rounds = [
                    (theirs(folder, size, "fp32", threads), ours(folder, size, "patch", "fp32", threads), ours(folder, size, "v", "fp32", threads))
                    for _ in range(ROUNDS)
                ]
                whole = statistics.median(pytorch / own for pytorch, own, _ in rounds)
                cut = statistics.median(own / part for _, own, part in rounds)
                rate = statistics.median(IMAGES / own for _, own, _ in rounds)
                print(f"{name}, {threads} threads: PyTorch / ours {whole:.3f}; ours whole / v of the last block {cut:.3f}; ours {rate:.3f} images/s", flush=True)
            halves = [
                (
                    theirs(folder, size, "fp32", THREADS) / theirs(folder, size, "bf16", THREADS),
                    ours(folder, size, "patch", "fp32", THREADS) / ours(folder, size, "patch", "bf16", THREADS),
                )
                for _ in range(ROUNDS)
            ]
            print(f"{name}, {THREADS} threads: fp32 / bf16 PyTorch {statistics.median(a for a, _ in halves):.3f}, ours {statistics.median(b for _, b in halves):.3f}", flush=True)


if len(sys.argv) == 5:
    pytorch(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
else:
    main()

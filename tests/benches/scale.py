#!/usr/bin/env python3
"""Memory and time of every stage at ten times the images and again ten times, and how long a finished run takes to start.

    vendor/venv/bin/python tests/benches/scale.py [--sizes 2000,20000,200000] [--convert target/release/convert]

Makes images of 32 x 32 pixels on the spot, runs each stage of a small recipe in a process of its own, and prints its peak memory and time for every size, the
bytes that an image adds between the last two, and the ratio of their times an image. The networks are patch-stats: what is measured is everything else.
"""
import argparse
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from PIL import Image

RECIPE = """version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals: [ { plugin: grid, config: { cells: 2 } } ]
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 32, epochs: 2, warmup_epochs: 1, hidden: 32 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv } ]
"""
CLASSES = 20


def make(folder, count):
    """Images in class folders; a few hundred different ones, since only their number matters."""
    draw = random.Random(0)
    contents = []
    for _ in range(200):
        image = Image.new("RGB", (32, 32), tuple(draw.randrange(256) for _ in range(3)))
        x, y = draw.randrange(20), draw.randrange(20)
        image.paste(tuple(draw.randrange(256) for _ in range(3)), (x, y, x + 10, y + 10))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    for index in range(count):
        name = folder / "data" / f"class-{index % CLASSES:02}" / f"image-{index:08}.jpg"
        if index < CLASSES:
            name.parent.mkdir(parents=True)
        name.write_bytes(contents[index % len(contents)])


def run(folder, arguments):
    """Seconds and peak memory in MB of one process."""
    begun = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(arguments)}: {said}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="2000,20000,200000", help="two numbers of images or more, growing")
    parser.add_argument("--convert", type=os.path.abspath, default=str(root / "target/release/convert"))
    parser.add_argument("--folder", help="where the images are made; a temporary folder by default")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    figures, starts = {}, {}
    base = pathlib.Path(tempfile.mkdtemp(dir=options.folder))
    try:
        for size in sizes:
            folder = base / str(size)
            folder.mkdir()
            (folder / "recipe.yaml").write_text(RECIPE)
            make(folder, size)
            plan = subprocess.run([options.convert, "plan", "recipe.yaml", "--json"], cwd=folder, check=True, capture_output=True, text=True).stdout
            names = [step["name"] for step in json.loads(plan)["steps"] if not step["on_demand"] and not step["name"].startswith("export-")]
            for name in names:
                figures.setdefault(name, []).append(run(folder, [options.convert, "stage", name, "--recipe", "recipe.yaml"]))
            # In one process, as a user runs it: what is left is the export; and then nothing.
            figures.setdefault("export", []).append(run(folder, [options.convert, "--recipe", "recipe.yaml"]))
            starts[size] = run(folder, [options.convert, "--recipe", "recipe.yaml"])
            shutil.rmtree(folder / "work")
            figures.setdefault("all in one process", []).append(run(folder, [options.convert, "--recipe", "recipe.yaml"]))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(base)
    few, many = sizes[-2:]
    sized = lambda unit: " | ".join(f"{unit} at {size}" for size in sizes)
    print(f"| stage | {sized('MB')} | bytes an image | {sized('µs an image')} | ratio |\n|{'---|' * (2 * len(sizes) + 3)}")
    for name, runs in figures.items():
        times = [seconds / size * 1e6 for (seconds, _), size in zip(runs, sizes)]
        memory = [memory for _, memory in runs]
        added = (memory[-1] - memory[-2]) * 1024 * 1024 / (many - few)
        shown = lambda values: " | ".join(f"{value:.0f}" for value in values)
        print(f"| {name} | {shown(memory)} | {added:.0f} | {shown(times)} | {times[-1] / times[-2]:.2f} |")
    print(", ".join(f"a finished run of {size} images: {seconds:.2f} s, {memory:.0f} MB" for size, (seconds, memory) in starts.items()))


main()

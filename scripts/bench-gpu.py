"""What scripts/bench-gpu.sh runs: see there. Needs Python's own library alone, so that it runs wherever there is a libtorch."""
import argparse
import array
import json
import math
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

START = time.monotonic()
FIXTURES = {"vit": "dinov1", "dinov2": "dinov2", "dinov2-registers": "dinov2", "dinov3": "dinov3", "dinov3-gated": "dinov3"}
SIZES = {  # layout, width, depth; random weights in the published layouts, heads of 64
    "ViT-S/16": ("dinov1", 384, 12),
    "ViT-B/16": ("dinov3", 768, 12),
    "ViT-L/16": ("dinov3", 1024, 24),
}
SMALL = {"tiny ViT": ("dinov1", 192, 2), "tiny DINOv3": ("dinov3", 384, 2)}


def say(text=""):
    print(text, flush=True)


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"bench-gpu: {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout


# ---- what is measured on ---------------------------------------------------------------------------------------------


def weights(file, layout, width, depth, seed=1):
    """Random weights as a safetensors file. One block of random numbers is repeated: writing a gigabyte then takes a second."""
    draw = random.Random(seed)
    block = array.array("f", ((draw.random() - 0.5) * 0.14 for _ in range(65_537))).tobytes()  # a prime: no two rows of a matrix are the same
    tensors = []

    def add(name, shape, fill=None):
        tensors.append((name, shape, fill))

    def linear(name, to, *rest):
        add(f"{name}.weight", [to, *rest])
        add(f"{name}.bias", [to], 0.0)

    def norm(name):
        add(f"{name}.weight", [width], 1.0)
        add(f"{name}.bias", [width], 0.0)

    add("cls_token", [1, 1, width])
    if layout == "dinov1":
        add("pos_embed", [1, 1 + 14 * 14, width])
    else:
        add("storage_tokens", [1, 4, width])
        add("rope_embed.periods", [16], [100 ** (at / 16) for at in range(16)])
    linear("patch_embed.proj", width, 3, 16, 16)
    for at in range(depth):
        norm(f"blocks.{at}.norm1")
        linear(f"blocks.{at}.attn.qkv", 3 * width, width)
        linear(f"blocks.{at}.attn.proj", width, width)
        norm(f"blocks.{at}.norm2")
        linear(f"blocks.{at}.mlp.fc1", 4 * width, width)
        linear(f"blocks.{at}.mlp.fc2", width, 4 * width)
        if layout == "dinov3":
            add(f"blocks.{at}.ls1.gamma", [width], 1.0)
            add(f"blocks.{at}.ls2.gamma", [width], 1.0)
    norm("norm")
    header, offset = {}, 0
    for name, shape, _ in tensors:
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        shift = 0
        for _, shape, fill in tensors:
            count = math.prod(shape)
            if fill is None:
                turned = block[4 * shift :] + block[: 4 * shift]
                whole, rest = divmod(4 * count, len(block))
                out.write(turned * whole + turned[:rest])
                shift = (shift + 7919) % 65_537
            else:
                out.write(array.array("f", fill if isinstance(fill, list) else [fill] * count).tobytes())
    return file


def png(file, side, rows):
    raw = b"".join(b"\0" + bytes(row) for row in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))
    return file


def formula(file, side):
    """The picture of plugins/backbones/tests/families.rs, whose features PyTorch gave."""
    return png(file, side, ([(7 * x + 13 * y + 31 * c + x * y) % 256 for x in range(side) for c in range(3)] for y in range(side)))


def drawing(file, side, seed):
    """Some discs on a shaded, grainy ground."""
    draw = random.Random(seed)
    discs = [([draw.randrange(256) for _ in range(3)], *(draw.uniform(0.1, 0.9) * side for _ in range(2)), draw.uniform(0.08, 0.25) * side) for _ in range(4)]
    ground = [draw.randrange(60, 180) for _ in range(3)]

    def row(y):
        line = bytearray(min(255, max(0, ground[c] + 40 * x // side - 30 * y // side + draw.randrange(12))) for x in range(side) for c in range(3))
        for colour, cx, cy, radius in discs:
            half = radius * radius - (y - cy) ** 2
            if half > 0:
                first, last = max(0, int(cx - half**0.5)), min(side, int(cx + half**0.5))
                line[3 * first : 3 * last] = bytes(colour) * max(0, last - first)
        return line

    return png(file, side, (row(y) for y in range(side)))


# ---- what is compared ------------------------------------------------------------------------------------------------


def tensors(file):
    with open(file, "rb") as data:
        length = struct.unpack("<Q", data.read(8))[0]
        header = json.loads(data.read(length))
        body = data.read()
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            found[name] = (entry["shape"], array.array("f", body[first:last]))
    return found, header.get("__metadata__", {})


def relative_error(ours, expected):
    difference = math.fsum((a - b) ** 2 for a, b in zip(ours, expected, strict=True))
    return math.sqrt(difference / math.fsum(b * b for b in expected))


def largest_error(ours, expected, images):
    """The largest relative error of an image."""
    size = len(expected) // images
    parts = range(0, len(expected), size)
    return max(relative_error(ours[at : at + size], expected[at : at + size]) for at in parts)


def runs(text):
    """COCO's compressed run lengths, background first."""
    counts, at = [], 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            part = ord(text[at]) - 48
            value |= (part & 31) << shift
            more, at, shift = bool(part & 32), at + 1, shift + 5
            if not more and part & 16:
                value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def spans(counts):
    at, found = 0, []
    for index, count in enumerate(counts):
        if index % 2 and count:
            found.append((at, at + count))
        at += count
    return found


def iou(a, b):
    a, b = spans(runs(a)), spans(runs(b))
    first = second = both = 0
    while first < len(a) and second < len(b):
        both += max(0, min(a[first][1], b[second][1]) - max(a[first][0], b[second][0]))
        if a[first][1] < b[second][1]:
            first += 1
        else:
            second += 1
    union = sum(end - start for start, end in a) + sum(end - start for start, end in b) - both
    return both / union if union else 1.0


def compare_rows(ours, expected):
    """Masks and labels of two runs: a line of words."""
    overlaps, equal, count, other, largest, sum_, entries = [], 0, 0, 0, 0.0, 0.0, 0
    for name, row in expected.items():
        mine = ours.get(name, {"regions": [], "classes": [], "probabilities": []})
        count, other = count + len(row["regions"]), other + len(mine["regions"])
        for region in row["regions"]:
            best = max((iou(region["counts"], candidate["counts"]) for candidate in mine["regions"]), default=0.0)
            overlaps.append(best)
            equal += best == 1.0
        a, b = (dict(zip(it["classes"], it["probabilities"])) for it in (row, mine))
        for index in set(a) | set(b):
            difference = abs(a.get(index, 0.0) - b.get(index, 0.0))
            largest, sum_, entries = max(largest, difference), sum_ + difference, entries + 1
    mean = sum(overlaps) / max(1, len(overlaps))
    return f"masks {count} and {other}, {equal} equal, mean IoU {mean:.4f}; labels: largest |Δp| {largest:.1e}, mean {sum_ / max(1, entries):.1e}"


# ---- the parts -------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, arguments, place):
        self.convert, self.tools, self.data = arguments.convert, pathlib.Path(arguments.tools), pathlib.Path(arguments.data)
        self.device, self.small, self.seconds, self.place = arguments.device, arguments.small, arguments.seconds, place
        self.threads = os.cpu_count() or 1
        self.models = SMALL if self.small else SIZES
        self.side = 96 if self.small else 512
        self.stored = {}

    def left(self, seconds, what):
        """Whether there is time for what takes about so many seconds."""
        if time.monotonic() - START + seconds < self.seconds:
            return True
        say(f"left out for lack of time: {what}")
        return False

    def others(self):
        """What is put beside the CPU in fp32."""
        return [(self.device, precision) for precision in ["fp32", "bf16"] if (self.device, precision) != ("cpu", "fp32")]

    def model(self, name):
        if name not in self.stored:
            file = self.place / (re.sub(r"\W", "-", name) + ".safetensors")
            self.stored[name] = weights(file, *self.models[name])
        return self.stored[name]

    def features(self, device, backbone, images):
        file = self.place / "features.safetensors"
        run([self.convert, "features", "--device", device, "--backbone", json.dumps(backbone), "--output", file, "--image", *images])
        found, metadata = tensors(file)
        return (*found["features"], metadata)

    def compare_features(self):
        say("\n## Features\n")
        say("| model | features | against | largest relative error of an image |\n|---|---|---|---|")
        for name, family in FIXTURES.items():
            expected, metadata = tensors(self.data / name / "features.safetensors")
            side = int(metadata["side"])
            picture = formula(self.place / f"formula-{side}.png", side)
            for precision in ["fp32", "bf16"]:
                backbone = {"family": family, "weights": str(self.data / name), "precision": precision, "feature": "patch", "input_size": side}
                _, ours, _ = self.features(self.device, backbone, [picture])
                say(f"| {name}, 2 blocks | {self.device} {precision} | PyTorch's, stored | {relative_error(ours, expected['patch'][1]):.1e} |")
        images = [drawing(self.place / f"drawing-{at}.png", self.side, at) for at in range(2 if self.small else 6)]
        for name in list(self.models)[:2]:
            backbone = {"family": self.models[name][0], "weights": str(self.model(name)), "feature": "k", "input_size": self.side}
            _, expected, _ = self.features("cpu", {**backbone, "precision": "fp32"}, images)
            for device, precision in dict.fromkeys([*self.others(), ("cpu", "bf16")]):
                _, ours, _ = self.features(device, {**backbone, "precision": precision}, images)
                say(f"| {name}, random | {device} {precision} | cpu fp32 | {largest_error(ours, expected, len(images)):.1e} |")

    def compare_masks(self):
        say("\n## Masks from stored features\n")
        say("Cuts by the CPU alone, and of affinities that the device computed; both by all threads. A cut with a tie is not determined.\n")
        say("| features | cuts | determined | of these equal | mean IoU of all | ms an image, cpu | ms an image, device |\n|---|---|---|---|---|---|---|")
        images = [drawing(self.place / f"drawing-{at}.png", self.side, at) for at in range(3 if self.small or self.device == "cpu" else 16)]
        name = next(iter(self.models))
        cases = [("patch-stats", 0.9, {"family": "patch-stats", "patch_size": 8, "feature": "k", "input_size": self.side})]
        cases.append((name, 0.3, {"family": self.models[name][0], "weights": str(self.model(name)), "precision": "fp32", "feature": "k", "input_size": self.side}))
        measure = subprocess.Popen(
            [self.tools / "measure", "--device", self.device, self.model(name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for title, tau, backbone in cases:
            (_, patches, dimension), values, metadata = self.features("cpu", backbone, images)
            file = self.place / "stored.f32"
            file.write_bytes(array.array("f", [dimension]).tobytes() + values.tobytes())
            measure.stdin.write(f"cuts {file} {metadata['rows']} {tau} 3\n")
            measure.stdin.flush()
            answer = measure.stdout.readline().split()
            if len(answer) != 6:
                sys.exit("bench-gpu: the cuts of stored features failed, see above")
            count, determined, equal, overlap, cpu, device = answer
            say(f"| {title}, {patches} patches | {count} | {determined} | {equal} | {float(overlap):.4f} | {float(cpu):.1f} | {float(device):.1f} |")
        measure.stdin.close()
        measure.wait()

    def recipe(self, count, precision, work):
        name = next(iter(self.models))
        backbone = {"family": self.models[name][0], "weights": str(self.model(name)), "precision": precision}
        recipe = {
            "version": 1, "name": "bench-gpu", "seed": 0, "work_dir": str(work),
            "dataset": {"plugin": "scenes", "count": count, "size": self.side},
            "proposals": [{"name": "vit", "plugin": "maskcut", "config": {"backbone": backbone, "input_size": self.side, "tau": 0.6, "masks": 3}}],
            "refine": [{"plugin": "dense-crf"}],
            "select": {"plugin": "keep-largest", "config": {"max_area": 0.6}},
            "label": {"plugin": "mlp-head", "config": {"backbone": backbone, "input_size": self.side, "epochs": 10, "standardize": True}},
            "aggregate": {"mode": "soft", "global": "original"},
            "export": [{"plugin": "jsonl", "file": "labels.jsonl"}],
        }  # fmt: skip
        file = self.place / f"{work.name}.yaml"
        file.write_text(json.dumps(recipe))
        return file

    def chain(self, device, precision, count):
        """A run from nothing: its rows by image, its comparison with the truth, its seconds."""
        work = self.place / f"work-{device.replace(':', '-')}-{precision}"
        shutil.rmtree(work, ignore_errors=True)
        start = time.monotonic()
        run([self.convert, "--recipe", self.recipe(count, precision, work), "--device", device])
        seconds = time.monotonic() - start
        rows = {row["id"]: row for row in map(json.loads, (work / "labels.jsonl").open())}
        return rows, json.loads((work / "evaluation.json").read_text())["rows"][1], seconds

    def compare_chain(self):
        say("\n## Masks and labels of whole runs\n")
        count = 16 if self.small else max(32, min(128, 8 * self.threads))
        say(f"{count} synthetic scenes, {next(iter(self.models))} for the cuts and for the labels; each beside the run on the CPU in fp32.\n")
        expected, evaluation, seconds = self.chain("cpu", "fp32", count)
        say(f"- cpu fp32: per-image AP {evaluation['per_image_ap']:.4f}; {count / seconds:.2f} images/s")
        rates = {"cpu fp32": count / seconds}
        for device, precision in self.others():
            rows, evaluation, seconds = self.chain(device, precision, count)
            rates[f"{device} {precision}"] = count / seconds
            say(f"- {device} {precision}: {compare_rows(rows, expected)}; per-image AP {evaluation['per_image_ap']:.4f}; {count / seconds:.2f} images/s")
        return rates

    def speed_of_models(self):
        say("\n## Bare models\n")
        say("Patch tokens of the last block; from resized bytes to numbers in the machine's memory, batches from as many threads as named.\n")
        say("| model | side | precision | batch | threads | images/s | beside cpu fp32 |\n|---|---|---|---|---|---|---|")
        sides = [32, 64] if self.small else [512, 768]
        for name, (layout, width, depth) in self.models.items():
            # Seconds that an image takes a core at about 80 GFLOP/s.
            cost = {side: depth * (24 * (side // 16) ** 2 * width**2 + 4 * (side // 16) ** 4 * width) / 8e10 for side in sides}
            rows = []
            for threads in [1] if self.device == "cpu" else [1, 4]:
                seconds = 4 * sum(cost.values()) * 8 if self.device == "cpu" else 10 + width * depth / 1000
                if not self.left(seconds, f"{name} on {self.device}, {threads} threads"):
                    continue
                count = 4 if self.small or self.device == "cpu" else 128
                precisions, batches = ("bf16", "1") if self.device == "cpu" else ("fp32,bf16", "1,16")
                try:
                    lines = self.throughput(self.device, batches, layout, name, ",".join(map(str, sides)), precisions, threads, count)
                except SystemExit as error:  # a card with little memory may not hold the largest batches
                    say(f"\n{name} with {threads} threads: {error}\n")
                    continue
                rows += [(int(side), precision, batch, threads, count / float(seconds)) for side, precision, batch, seconds in lines]
            base = {}
            for side in sides:
                images = 2 * self.threads if self.small else self.threads
                if not self.left(3 * cost[side] * images / self.threads + 2, f"{name} at {side} on the CPU"):
                    continue
                _, _, _, seconds = self.throughput("cpu", "1", layout, name, str(side), "fp32", self.threads, images)[0]
                base[side] = images / float(seconds)
                say(f"| {name} | {side} | cpu fp32 | 1 | {self.threads} | {base[side]:.2f} | 1 |")
            for side, precision, batch, threads, rate in rows:
                ratio = f"{rate / base[side]:.1f}" if side in base else "–"
                say(f"| {name} | {side} | {self.device} {precision} | {batch} | {threads} | {rate:.2f} | {ratio} |")

    def throughput(self, device, batches, layout, name, sides, precisions, threads, images):
        command = [self.tools / "throughput", "--device", device, "--batch", batches, layout, self.model(name), sides, "patch", precisions, threads, images]
        return [line.split() for line in run(command).splitlines()]

    def speed_of_stages(self, rates):
        say("\n## Stages and the chain\n")
        table = {}
        columns = [("cpu", "fp32"), *self.others()]
        for device, precision in columns:
            count = (8 if device == "cpu" else 12) if self.small else (32 if device == "cpu" else 256)
            if not self.left(5 + 1.5 * count / rates[f"{device} {precision}"], f"the stages on {device} in {precision}"):
                continue
            work = self.place / f"stages-{device.replace(':', '-')}-{precision}"
            run([self.convert, "--recipe", self.recipe(count, precision, work), "--device", device, "--dry-run", "--limit", count])
            for stage, entry in json.loads((work / "measured.json").read_text())["stages"].items():
                table.setdefault(stage, {})[f"{device} {precision}"] = 1 / max(1e-9, entry["rate"]["seconds"])
        names = [f"{device} {precision}" for device, precision in columns]
        say("images/s, and how many times the CPU's:\n")
        say(f"| stage | {' | '.join(names)} |\n|---{'|---' * len(names)}|")
        table["the chain, start and training included"] = rates
        for stage, row in table.items():
            base = row.get("cpu fp32")
            cells = [f"{row[name]:.2f} ({row[name] / base:.1f}×)" if name in row and base else "–" for name in names]
            say(f"| {stage} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(prog="bench-gpu.sh", description="A CUDA device beside the CPU: the same results, and how fast.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the script without one")
    parser.add_argument("--small", action="store_true", help="tiny models and few images, in about a minute on two cores")
    parser.add_argument("--seconds", type=float, default=570, help="what would not end within so many seconds is left out and named; default 570")
    for name in ["--convert", "--tools", "--data"]:
        parser.add_argument(name, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    say("# bench-gpu\n")
    say("\n".join(line for line in run([arguments.convert, "doctor"]).splitlines() if re.match(r"(convert|threads|libtorch|cuda|devices|precision) ", line)))
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(arguments, pathlib.Path(place))
        bench.compare_features()
        bench.compare_masks()
        rates = bench.compare_chain()
        bench.speed_of_stages(rates)
        bench.speed_of_models()
    say(f"\ndone in {time.monotonic() - START:.0f} s")


main()

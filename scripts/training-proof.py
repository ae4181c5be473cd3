#!/usr/bin/env python3
"""Trains small networks on convert's labels, on single labels and on true labels, and compares them on images never seen in training.

    scripts/training-proof.py --photos PHOTOS --compose SCRIPT --weights vit_tiny_patch16_224.safetensors --work DIR [--convert EXECUTABLE]

PHOTOS has a folder a class. Every other photo of a class is for training, of the rest every other one for validation and test. SCRIPT
composes images of several photos: `SCRIPT FOLDER OUTPUT --count N --seed S` writes OUTPUT/train/<class>/<image> and OUTPUT/truth.json
(COCO form: every object). Sets that are composed already are given as --train, --validation and --test instead. The whole training set, its first 30 and 10 per cent, and the set with 20 per cent of its labels swapped for
a class that the image does not show are labelled by tests/recipes/vit-tiny-own-maps.yaml. Then docs/examples/train.py runs:

    mlp    an MLP on features of the whole image from a frozen ViT-Ti/16
    vit    the last two of the twelve blocks of that ViT
    cnn    a small ResNet (timm's test_resnet) from scratch, at 64 pixels

Learning rates (and what large loss has besides) are chosen for each row on V, with seed 0 and the whole training set; S is
predicted by three runs of each row with the seeds 1 to 3. DIR/results.json keeps what is done, so that the same command goes on;
at the end DIR/table.md and DIR/training.svg are written. Needs what docs/examples/requirements.txt lists. One core is enough.
"""
import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TIMM_FUSED_ATTN", "0")    # on a CPU plain attention in bfloat16 is twice as fast
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs/examples"))
import train

SETS = ["whole", "30 %", "10 %", "swapped"]
FOLDERS = {"whole": "whole", "30 %": "part-30", "10 %": "part-10", "swapped": "swapped"}
SEEDS = [1, 2, 3]
FORMS = [(mode, source) for mode in ("soft", "hard") for source in ("original", "pred", "none")]

# Rows of the table: name -> what train.py is told. FILE is the label file, and INIT the run with label smoothing of the same seed.
ROWS = {
    "single label, CE": "--target single --loss ce",
    "single label, BCE": "--target single --loss bce",
    "label smoothing, CE": "--target single --loss ce --smoothing 0.1",
    "label smoothing, BCE": "--target single --loss bce --range 0.0001 0.95",
    "large loss, LL-R": "--target single --loss ll-r INIT",
    "large loss, LL-Ct": "--target single --loss ll-ct INIT",
    "large loss, LL-Cp": "--target single --loss ll-cp INIT",
    "ReLabel's crops, our maps": "--target maps --loss ce MAPS",
    **{f"ours, {mode}, {source}": f"--target soft --loss bce FILE:{mode}-{source}" for mode, source in FORMS},
    "true labels": "--target truth --loss bce TRUTH",
}
MAIN = ["single label, CE", "single label, BCE", "label smoothing, CE", "label smoothing, BCE", "large loss, LL-R", "large loss, LL-Ct", "large loss, LL-Cp",
        "ours, hard, original", "ours, soft, original",
        "ours, hard, none", "ours, soft, none", "true labels"]
OURS = ["ours, hard, original", "ours, soft, original", "ours, soft, none"]
BASELINES = [name for name in ROWS if name.startswith(("single", "label", "large"))]

PROTOCOLS = {
    "mlp": {
        "arguments": "--freeze-blocks 12 --size 224 --batch 64 --dropout 0.5 --weight-decay 0.05 --warmup 3 --views 1",
        "epochs": 40, "large-epochs": 10, "more": {"30 %": 2, "10 %": 4}, "grid": {"lr": [1e-3, 3e-3, 1e-2]}, "large": {"lr": [1e-4, 1e-3], "ll-rate": [0.01, 0.05, 0.1, 0.4]},
    },
    "vit": {
        "arguments": "--freeze-blocks 10 --size 96 --batch 64 --weight-decay 0.05 --warmup 1 --views 2 --crop-scale 0.5 1 --amp",
        "epochs": 6, "large-epochs": 3, "more": {"30 %": 1.5, "10 %": 3}, "grid": {"lr": [1e-3, 3e-3]}, "large": {"lr": [1e-4], "ll-rate": [0.4, 1.2]},
    },
    "cnn": {
        "arguments": "--model test_resnet --size 48 --in-memory 56 --crop-scale 0.5 1 --batch 64 --weight-decay 0.05 --warmup 2 --amp",
        "epochs": 12, "large-epochs": 5, "more": {"30 %": 1.5, "10 %": 3}, "grid": {"lr": [5e-3, 1e-2, 2e-2]}, "large": {"lr": [1e-3], "ll-rate": [0.2, 0.8]},
    },
}
NAMES = {"mlp": "MLP on frozen features", "vit": "ViT-Ti, upper blocks", "cnn": "small CNN from scratch"}


class Proof:
    def __init__(self, a):
        self.a, self.work, self.file = a, a.work, a.work / "results.json"
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}

    # ------------------------------------------------------------ images and labels

    def compose(self):
        """The three composed sets, of different photos of the same classes."""
        for part, count, seed in (("train", 1500, 1), ("validation", 600, 2), ("test", 1500, 3)):
            output = self.work / "composed" / part
            setattr(self.a, part, output)
            if (output / "truth.json").exists():
                continue
            photos = self.work / "photos" / part
            for folder in sorted(d for d in self.a.photos.iterdir() if d.is_dir()):
                (photos / folder.name).mkdir(parents=True, exist_ok=True)
                for i, photo in enumerate(sorted(folder.iterdir())):
                    link = photos / folder.name / photo.name
                    if part == ("train", "validation", "train", "test")[i % 4] and not link.exists():
                        link.symlink_to(photo.resolve())
            subprocess.run([sys.executable, self.a.compose, photos, output, "--count", str(count), "--seed", str(seed)], check=True)

    def link(self, name, truth, count, label):
        """An image folder with the first images of the training set under the classes that `label` gives, and its truth."""
        classes = [c["name"] for c in sorted(truth["categories"], key=lambda c: c["id"])]
        images = []
        for image in truth["images"][:count]:
            c = label(image)
            file = f"{c}/{os.path.basename(image['file_name'])}"
            images.append({**image, "file_name": file, "label": classes.index(c)})
            target = self.work / name / "train" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to((self.a.train / "train" / image["file_name"]).resolve())
        for c in classes:
            (self.work / name / "train" / c).mkdir(exist_ok=True)
        known = {i["id"] for i in images}
        content = {"categories": truth["categories"], "images": images, "annotations": [o for o in truth["annotations"] if o["image_id"] in known]}
        (self.work / name / "truth.json").write_text(json.dumps(content))

    def sets(self):
        truth = json.loads((self.a.train / "truth.json").read_text())
        classes = {c["id"]: c["name"] for c in truth["categories"]}
        count, given = len(truth["images"]), lambda image: image["file_name"].split("/")[0]
        objects = {}
        for o in truth["annotations"]:
            objects.setdefault(o["image_id"], set()).add(classes[o["category_id"]])
        rng = random.Random(7)
        chosen = set(rng.sample(range(count), count // 5))
        wrong = {image["id"]: rng.choice(sorted(set(classes.values()) - objects[image["id"]])) for i, image in enumerate(truth["images"]) if i in chosen}
        self.link("whole", truth, count, given)
        self.link("part-30", truth, count * 3 // 10, given)
        self.link("part-10", truth, count // 10, given)
        self.link("swapped", truth, count, lambda image: wrong.get(image["id"]) or given(image))

    def label(self):
        recipe = ROOT / "tests/recipes/vit-tiny-own-maps.yaml"
        for name in FOLDERS.values():
            folder, run = self.work / name, self.work / "runs" / name
            environment = {**os.environ, "WEIGHTS": str(self.a.weights), "DATA": str(folder / "train"), "WORK": str(run)}
            for mode, source in FORMS:
                kept = self.work / "labels" / f"{name}-{mode}-{source}.tsv"
                if not kept.exists():
                    kept.parent.mkdir(exist_ok=True)
                    print(f"labels of {name}: {mode}, {source}", flush=True)
                    self.convert("--recipe", recipe, "--set", f"dataset.truth={folder}/truth.json", "--set", f"aggregate.mode={mode}",
                                 "--set", f"aggregate.global={source}", environment=environment)
                    kept.write_bytes((run / "labels.tsv").read_bytes())
            maps = self.work / "maps" / name
            if name == "whole" and not maps.exists():
                self.convert("stage", "maps", "--recipe", recipe, "--set", f"dataset.truth={folder}/truth.json", "--output", maps, environment=environment)

    def convert(self, *arguments, environment=None):
        done = subprocess.run([self.a.convert, *map(str, arguments)], env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)

    # ------------------------------------------------------------ runs

    def run(self, protocol, row, images, setting, seed, folder):
        """Trains once; the class mAP and, of a test, everything that `convert evaluate labels` says."""
        p, name = PROTOCOLS[protocol], FOLDERS[images]
        testing = folder == self.a.test
        key = self.key(protocol, row, images, setting, seed, testing)
        if key in self.results:
            return self.results[key]
        large = row.startswith("large")
        epochs = round(p["large-epochs" if large else "epochs"] * p["more"].get(images, 1))     # a small set gets more epochs, though fewer steps
        output = self.model(protocol, row, images, setting, seed)
        words = ["--data", self.work / name / "train", "--validation", folder / "train", "--validation-truth", folder / "truth.json",
                 "--epochs", epochs, "--seed", seed, "--output", output, *p["arguments"].split()]
        words += itertools.chain(*((f"--{k}", v) for k, v in setting.items()))
        if protocol != "cnn":
            words += ["--model", "vit_tiny_patch16_224", "--pretrained", self.a.weights]
        for word in ROWS[row].split():
            if word == "INIT":
                smooth = self.setting(protocol, "label smoothing, BCE")
                self.run(protocol, "label smoothing, BCE", images, smooth, seed, folder)
                words += ["--init", self.model(protocol, "label smoothing, BCE", images, smooth, seed) / "model.pt", "--range", "0.0001", "0.95"]
            elif word.startswith("FILE:"):
                words += ["--labels", self.work / "labels" / f"{name}-{word[5:]}.tsv"]
            elif word == "TRUTH":
                words += ["--truth", self.work / name / "truth.json"]
            elif word == "MAPS":
                words += ["--maps", self.work / "maps" / name]
            else:
                words.append(word)
        begin = time.time()
        sys.stdout.flush()
        with open(os.devnull, "w") as quiet:
            out, sys.stdout = sys.stdout, quiet
            try:
                score = train.main(list(map(str, words)))[2]
            finally:
                sys.stdout = out
        result = {"class_map": score, "seconds": round(time.time() - begin, 1)}
        if testing:
            report = self.work / "evaluation.json"
            self.convert("evaluate", "labels", "--predictions", output / "predictions.json", "--truth", folder / "truth.json", "--json", report)
            result["evaluation"] = json.loads(report.read_text())
        self.results[key] = result
        self.file.write_text(json.dumps(self.results))
        print(f"{key}: {score:.2f} %, {result['seconds']:.0f} s", flush=True)
        return result

    def key(self, protocol, row, images, setting, seed, testing):
        return " | ".join([protocol, row, images, json.dumps(setting), str(seed), "test" if testing else "validation"])

    def model(self, protocol, row, images, setting, seed):
        parts = [protocol, row.replace(", ", "-").replace(" ", "-"), FOLDERS[images], *(str(v) for v in setting.values()), str(seed)]
        return self.work / "models" / "-".join(parts)

    def setting(self, protocol, row):
        """The best of the grid on the validation images, with the whole training set and seed 0.

        The MLP is cheap, so that each row has its own. The other two take the learning rate that is best for a single label, by CE or
        BCE, for all rows with that loss, as the paper does (B.3): the rows with our labels have no choice of their own.
        """
        p = PROTOCOLS[protocol]
        large = row.startswith("large")
        if protocol != "mlp" and not large:
            row = "single label, CE" if "--loss ce" in ROWS[row] else "single label, BCE"
        grid = p["large" if large else "grid"]
        settings = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
        return max(settings, key=lambda s: self.run(protocol, row, "whole", s, 0, self.a.validation)["class_map"])

    def rows(self, protocol, images):
        """All of them for the MLP; of the costlier ones fewer with changed training sets, and of large loss the best on the validation images."""
        if images == "whole":
            return [row for row in ROWS if protocol == "mlp" or row not in ("ours, hard, pred", "ours, hard, none")]
        if protocol == "mlp":
            return MAIN
        large = [row for row in MAIN if row.startswith("large")]
        best = max(large, key=lambda row: self.run(protocol, row, "whole", self.setting(protocol, row), 0, self.a.validation)["class_map"])
        return [row for row in MAIN if row not in large + ["ours, hard, none"] or row == best]

    def all(self, protocols):
        for protocol in protocols:
            for images in SETS:
                for row in self.rows(protocol, images):
                    for seed in SEEDS:
                        self.run(protocol, row, images, self.setting(protocol, row), seed, self.a.test)
        self.report(protocols)

    # ------------------------------------------------------------ results

    def tests(self, protocol, row, images):
        """The results of the seeds; none where one is missing."""
        if row not in self.rows(protocol, images):
            return []
        keys = [self.key(protocol, row, images, self.setting(protocol, row), seed, True) for seed in SEEDS]
        return [self.results[key] for key in keys] if all(key in self.results for key in keys) else []

    def scores(self, protocol, row, images):
        """Mean and deviation of the class mAP."""
        found = [result["class_map"] for result in self.tests(protocol, row, images)]
        return (statistics.mean(found), statistics.stdev(found)) if found else None

    def best(self, protocol, images):
        """The baseline with the highest mean."""
        known = [row for row in BASELINES if self.scores(protocol, row, images)]
        return max(known, key=lambda row: self.scores(protocol, row, images)[0], default=None)

    def report(self, protocols):
        """The tables of docs/label-quality.md and the plot."""
        def cell(protocol, row, images):
            score = self.scores(protocol, row, images)
            return f"{score[0]:.1f} ± {score[1]:.1f}" if score else "–"

        def line(*cells):
            lines.append("| " + " | ".join(cells) + " |")

        def head(*cells):
            lines.append("")
            line(*cells)
            lines.append("|---" * len(cells) + "|")

        lines, sets = [], {"whole": "all images", "swapped": "20 % swapped"}
        head("class mAP, %", *(NAMES[p] for p in protocols))
        for row in ROWS:
            line(row, *(cell(p, row, "whole") for p in protocols))
        head("class mAP, %", *(f"{p}, {sets.get(i, i)}" for i in SETS[1:] for p in protocols))
        for row in MAIN:
            line(row, *(cell(p, row, i) for i in SETS[1:] for p in protocols))
        head("", "the best baseline", "true labels above it", *OURS)
        for images, p in itertools.product(SETS, protocols):
            row = self.best(p, images)
            base, true = self.scores(p, row, images), self.scores(p, "true labels", images)
            cells = []
            for name in OURS:
                mean, deviation = self.scores(p, name, images)
                pairs = [x["class_map"] - y["class_map"] for x, y in zip(self.tests(p, name, images), self.tests(p, row, images))]
                above = mean - base[0]
                part = "all" if mean >= true[0] else f"{above / (true[0] - base[0]):.2f}"
                cells.append(f"{above:+.1f} ± {statistics.stdev(pairs):.1f}; {above / max(0.01, base[1], deviation):.1f}; {part}")
            line(f"{p}, {sets.get(images, images)}", f"{base[0]:.1f}: {row}", f"{true[0] - base[0]:+.1f}", *cells)
        for p in protocols:
            head(f"{p}, all images", "top-1, single label", "top-1, any true label", "per-image mAP", "class mAP, k = 1", "k = 2", "k = 3", "k ≥ 4")
            for row in self.rows(p, "whole"):
                found = [result["evaluation"] for result in self.tests(p, row, "whole")]
                figures = [[e["top1"]["single_label"], e["top1"]["any_true_label"], e["mean_average_precision"]["per_image"]["all"]["value"],
                            *(e["mean_average_precision"]["class"][k]["value"] for k in ("k=1", "k=2", "k=3", "k>=4"))] for e in found]
                line(row, *(f"{100 * statistics.mean(column):.1f}" for column in zip(*figures)))
            lines += ["", "chosen: " + "; ".join(f"{row} {json.dumps(self.setting(p, row))}" for row in self.rows(p, "whole"))]
        (self.work / "table.md").write_text("\n".join(lines[1:]) + "\n")
        (self.work / "training.svg").write_text(self.plot(protocols))
        print("\n".join(lines[1:]))

    def plot(self, protocols):
        """Means as dots and deviations as bars: a panel a protocol, a group a training set."""
        kinds = [("best baseline", "#8a8a8a"), ("ours, hard, original", "#e69f00"), ("ours, soft, original", "#0072b2"), ("true labels", "#009e73")]
        width, height, left, top, gap = 270, 220, 44, 56, 40
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + len(protocols) * (width + gap)} {top + height + 44}" font-family="sans-serif" font-size="12">',
               '<rect width="100%" height="100%" fill="white"/>']
        for k, (kind, colour) in enumerate(kinds):
            label = kind.removesuffix(", original")
            out.append(f'<circle cx="{left + 8 + 140 * k}" cy="16" r="5" fill="{colour}"/><text x="{left + 18 + 140 * k}" y="20">{label}</text>')
        for n, p in enumerate(protocols):
            x0 = left + n * (width + gap)
            cells = {(i, kind): self.scores(p, self.best(p, i) if kind == "best baseline" else kind, i) for i in SETS for kind, _ in kinds if self.best(p, i)}
            cells = {key: value for key, value in cells.items() if value}
            highest = max(mean + deviation for mean, deviation in cells.values()) * 1.05
            ticks = 10 if highest > 25 else 5
            y = lambda value: top + height - height * value / highest
            out.append(f'<text x="{x0 + width / 2}" y="{top - 12}" text-anchor="middle" font-weight="bold">{NAMES[p]}</text>')
            for tick in range(0, int(highest) + 1, ticks):
                out.append(f'<path d="M{x0} {y(tick):.1f}h{width}" stroke="#dddddd"/><text x="{x0 - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
            for g, i in enumerate(SETS):
                centre = x0 + width * (g + 0.5) / len(SETS)
                label = {"whole": "all images", "swapped": "20 % swapped"}.get(i, i)
                out.append(f'<text x="{centre:.1f}" y="{top + height + 18}" text-anchor="middle">{label}</text>')
                for k, (kind, colour) in enumerate(kinds):
                    if (i, kind) in cells:
                        (mean, deviation), x = cells[i, kind], centre + 12 * (k - 1.5)
                        out.append(f'<path d="M{x:.1f} {y(mean - deviation):.1f}V{y(mean + deviation):.1f}" stroke="{colour}" stroke-width="2"/><circle cx="{x:.1f}" cy="{y(mean):.1f}" r="3" fill="{colour}"/>')
        out.append(f'<text x="{left}" y="{top + height + 38}" fill="#555555">class mAP in per cent on photos never seen in training; mean and deviation of three seeds</text></svg>')
        return "\n".join(out) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "compose", "train", "validation", "test"):
        p.add_argument(f"--{name}", type=Path)
    for name in ("weights", "work"):
        p.add_argument(f"--{name}", type=Path, required=True)
    p.add_argument("--convert", default=str(ROOT / "target/release/convert"))
    p.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    if not (a.photos and a.compose or a.train and a.validation and a.test):
        p.error("either --photos and --compose, or --train, --validation and --test")
    for name in ("photos", "compose", "train", "validation", "test", "weights", "work"):
        path = getattr(a, name)
        setattr(a, name, path and path.resolve())
    a.work.mkdir(parents=True, exist_ok=True)
    proof = Proof(a)
    if a.photos:
        proof.compose()
    proof.sets()
    proof.label()
    proof.all(a.protocols)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains an image classifier on the multi-labels that `convert` writes, and the usual baselines on the same images.

    pip install -r requirements.txt
    train.py --data photos --labels runs/photos/labels.tsv --model resnet18 --size 96 --epochs 30 --output out
    train.py --data photos --labels runs/photos/labels.tsv --target single …      # the same images, one label each

What is learned (--target):
    soft      the file's probabilities                  hard    1 above --threshold, 0 elsewhere
    single    the one label of each image               truth   the true labels of --truth (COCO JSON, or VOC2007:trainval)
    maps      ReLabel: of each crop what --maps says at its place (ROI-align, softmax)
How (--loss):
    bce       binary cross-entropy; --range LOW HIGH relaxes 0 and 1 (label smoothing)
    ce        softmax cross-entropy; several targets are divided by their sum; --smoothing E mixes E of all classes in
    ll-r, ll-ct, ll-cp    large loss (Kim et al., CVPR 2022): from a single label, the largest losses of absent classes are
                          rejected, corrected for the step, or corrected for good; --ll-rate is per cent an epoch
From where: scratch (default), --pretrained (timm's weights), --init FILE (model.pt of another run); with --transfer a new linear
    layer on top of that model's classes, folded into its classifier when saved.
With --validation a folder is predicted after the last epoch. Predictions go to OUTPUT/predictions.json:

    convert evaluate labels --predictions out/predictions.json --truth truth.json

--dry-run prints FLOPs and the expected time and trains nothing. `torchrun --nproc-per-node 8 train.py …` uses eight GPUs.
The commands for ImageNet are in docs/training.md.
"""
import argparse
import copy
import functools
import json
import math
import os
import random
import time
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torchvision.ops import roi_align
from torchvision.transforms import v2

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def arguments(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = p.add_argument_group("data")
    data.add_argument("--data", required=True, help="folder of the training images; ids are paths below it")
    data.add_argument("--labels", help="labels.tsv or labels.parquet of convert; needed for soft and hard")
    data.add_argument("--target", default="soft", choices=["soft", "hard", "single", "truth", "maps"])
    data.add_argument("--threshold", type=float, default=0.5, help="of --target hard")
    data.add_argument("--truth", help="true labels of the training images, for --target truth")
    data.add_argument("--maps", help="folder of `convert stage maps --output FOLDER`, or ReLabel's, for --target maps")
    data.add_argument("--classes", type=int, help="how many; default: the folders in DATA, or the categories of TRUTH")
    data.add_argument("--validation", help="folder of images to predict")
    data.add_argument("--validation-truth", help="their true labels, for the mAP that is printed")
    data.add_argument("--in-memory", type=int, metavar="PX", help="keep all images in memory, shrunk to this side")
    data.add_argument("--workers", type=int, default=0)
    model = p.add_argument_group("model")
    model.add_argument("--model", default="resnet50", help="any name of timm.list_models()")
    model.add_argument("--pretrained", nargs="?", const=True, metavar="FILE", help="start from timm's weights, or from this file of them")
    model.add_argument("--init", metavar="FILE", help="start from model.pt of another run")
    model.add_argument("--transfer", action="store_true", help="a new linear layer on top of the initial classifier")
    model.add_argument("--freeze-blocks", type=int, default=0, metavar="N", help="of a ViT: keep the first N blocks as they are, and compute them once for "
                       "--views views of each image; with all of them, an MLP learns from the class token and the mean of the patches")
    model.add_argument("--views", type=int, default=1, help="of each image with --freeze-blocks: the whole image, then random crops")
    model.add_argument("--hidden", type=int, default=512, help="width of that MLP")
    model.add_argument("--dropout", type=float, default=0.0)
    model.add_argument("--drop-path", type=float, default=0.0)
    model.add_argument("--size", type=int, default=224)
    train = p.add_argument_group("training")
    train.add_argument("--loss", default="bce", choices=["bce", "ce", "ll-r", "ll-ct", "ll-cp"])
    train.add_argument("--range", type=float, nargs=2, default=[0.0, 1.0], metavar=("LOW", "HIGH"), help="what 0 and 1 become with bce; the paper's: 0.0001 0.95")
    train.add_argument("--smoothing", type=float, default=0.0, help="label smoothing of ce")
    train.add_argument("--ll-rate", type=float, default=0.1, help="large loss: per cent of the absent labels, more each epoch")
    train.add_argument("--epochs", type=int, default=100)
    train.add_argument("--warmup", type=float, default=5, help="epochs of linear warm-up")
    train.add_argument("--batch", type=int, default=256, help="on each GPU")
    train.add_argument("--optimizer", default="adamw", choices=["adamw", "sgd"])
    train.add_argument("--lr", type=float, default=1e-3)
    train.add_argument("--weight-decay", type=float, default=0.15, help="of weights; none for the classifier, biases and norms")
    train.add_argument("--crop-scale", type=float, nargs=2, default=[0.08, 1.0], help="area of random crops")
    train.add_argument("--eval-crop", type=float, default=1.0, help="0.875: resize the shorter side to SIZE / 0.875 and take the centre; 1: the whole image, squeezed into a square")
    train.add_argument("--randaugment", type=int, default=0, metavar="M", help="magnitude; 0: none")
    train.add_argument("--mixup", type=float, default=0.0)
    train.add_argument("--cutmix", type=float, default=0.0)
    train.add_argument("--amp", action="store_true", help="bfloat16")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--scores", choices=["sigmoid", "softmax"], help="of predictions; default: softmax after ce")
    train.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    train.add_argument("--output", help="folder for model.pt, log.json and predictions.json")
    train.add_argument("--dry-run", action="store_true", help="print FLOPs and time, train nothing")
    return p.parse_args(argv)


# ---------------------------------------------------------------- labels


def read_labels(file):
    """{id: (single label, {class: probability})} of a label file of convert."""
    if str(file).endswith(".parquet"):
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(file, columns=["id", "label", "classes", "probabilities"]).to_pylist()
        return {r["id"]: (r["label"], dict(zip(r["classes"], r["probabilities"]))) for r in rows}
    labels = {}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            name, label, classes, probabilities = line.rstrip("\n").split("\t")
            pairs = zip(classes.split(","), probabilities.split(",")) if classes else ()
            labels[name] = (int(label), {int(c): float(p) for c, p in pairs})
    return labels


def read_truth(source):
    """({id: classes}, number of classes) of a COCO JSON, or of a split of VOC as FOLDER/VOC2007:trainval."""
    if ":" in source and not Path(source).exists():
        folder, split = source.rsplit(":", 1)
        names = (Path(folder) / "ImageSets/Main" / f"{split}.txt").read_text().split()
        objects = {f.stem: xml.etree.ElementTree.parse(f).findall("object") for f in (Path(folder) / "Annotations").glob("*.xml")}
        categories = sorted({o.findtext("name") for found in objects.values() for o in found})
        easy = {n: {categories.index(o.findtext("name")) for o in objects[n] if o.findtext("difficult") != "1"} for n in names}
        return {f"{n}.jpg": classes for n, classes in easy.items()}, len(categories)
    content = json.loads(Path(source).read_text())
    order = {c: i for i, c in enumerate(sorted(c["id"] for c in content["categories"]))}
    truth = {image["id"]: set() for image in content["images"]}
    for annotation in content["annotations"]:
        truth[annotation["image_id"]].add(order[annotation["category_id"]])
    return {image["file_name"]: truth[image["id"]] for image in content["images"]}, len(order)


def list_images(folder):
    """Ids of the images below a folder, and the index of the class folder that each lies in (0 where there is none)."""
    root = Path(folder)
    ids = sorted(str(f.relative_to(root)) for f in root.rglob("*") if f.suffix.lower() in IMAGES)
    classes = sorted(d.name for d in root.iterdir() if d.is_dir())
    if all(c.isdecimal() for c in classes):    # ImageNetV2: folders 0 to 999
        classes.sort(key=int)
    return ids, [classes.index(i.split("/")[0]) if "/" in i else 0 for i in ids], len(classes)


# ---------------------------------------------------------------- images


class ImageSet(torch.utils.data.Dataset):
    """(pixels, target, index); a target is a row of K numbers, or what the label map says of the crop."""

    def __init__(self, a, folder, ids, targets, normalize, training, memory):
        self.a, self.folder, self.ids, self.targets, self.training, self.memory = a, folder, ids, targets, training, memory
        self.mean, self.deviation = (torch.tensor(n).view(3, 1, 1) for n in normalize)
        self.augment = v2.RandAugment(magnitude=a.randaugment) if a.randaugment else None

    def __len__(self):
        return len(self.ids)

    def image(self, i):
        return self.memory[i] if self.memory else Image.open(os.path.join(self.folder, self.ids[i])).convert("RGB")

    def finish(self, image):
        return (torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - self.mean) / self.deviation

    def view(self, i, crop):
        """Pixels of a random crop or of the evaluation's view, and the crop's box as parts of the image (x, y, x, y)."""
        image, side = self.image(i), self.a.size
        width, height = image.size
        if crop:
            top, left, h, w = random_crop(width, height, self.a.crop_scale)
            image = image.resize((side, side), Image.BICUBIC, (left, top, left + w, top + h))
            if random.random() < 0.5:
                image = image.transpose(Image.FLIP_LEFT_RIGHT)
            if self.augment:
                image = self.augment(image)
            return self.finish(image), (left / width, top / height, (left + w) / width, (top + h) / height)
        if self.a.eval_crop < 1:
            cut = min(width, height) * self.a.eval_crop
            left, top = (width - cut) / 2, (height - cut) / 2
            return self.finish(image.resize((side, side), Image.BICUBIC, (left, top, left + cut, top + cut))), (0, 0, 1, 1)
        return self.finish(image.resize((side, side), Image.BICUBIC)), (0, 0, 1, 1)

    def target(self, i, box):
        if self.training and self.a.target == "maps":
            return map_target(os.path.join(self.a.maps, os.path.splitext(self.ids[i])[0] + ".pt"), box, self.a.classes)
        return torch.from_numpy(self.targets[i]) if self.targets is not None else torch.zeros(self.a.classes)

    def __getitem__(self, i):
        pixels, box = self.view(i, self.training)
        return pixels, self.target(i, box), i


def random_crop(width, height, scale):
    """Top, left, height and width of a crop with a share of the area within `scale`, its sides at most 3 : 4."""
    for _ in range(10):
        area = width * height * random.uniform(*scale)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    side = min(width, height)
    return (height - side) // 2, (width - side) // 2, side, side


@functools.lru_cache(maxsize=4096)
def read_map(file):
    return torch.load(file, weights_only=True).float()


def map_target(file, box, classes):
    """ReLabel: the map's logits within the box by ROI-align, then softmax. Classes that a cell does not list have logit 0."""
    logits, indices = read_map(file)
    dense = torch.zeros(classes, *logits.shape[1:]).scatter_(0, indices.long(), logits)
    corners = torch.tensor([[0, *box]], dtype=torch.float32) * torch.tensor([1, *([dense.shape[2], dense.shape[1]] * 2)])
    return roi_align(dense[None], corners, (1, 1), aligned=True).flatten().softmax(0)


@functools.lru_cache(maxsize=8)
def decoded(folder, ids, side):
    """All images as Pillow images with this side, the shape changed to a square."""
    images = []
    for name in ids:
        with Image.open(os.path.join(folder, name)) as file:
            file.draft("RGB", (side, side))
            images.append(file.convert("RGB").resize((side, side), Image.BICUBIC))
    return images


# ---------------------------------------------------------------- models


class Trunk(nn.Module):
    """The first blocks of a timm ViT; all of them give the class token and the mean of the patches."""

    def __init__(self, vit, blocks):
        super().__init__()
        self.vit, self.blocks = vit, blocks

    def forward(self, x):
        x = self.vit.norm_pre(self.vit._pos_embed(self.vit.patch_embed(x)))
        for block in self.vit.blocks[: self.blocks]:
            x = block(x)
        if self.blocks < len(self.vit.blocks):
            return x
        x, first = self.vit.norm(x), self.vit.num_prefix_tokens
        return torch.cat([x[:, 0], x[:, first:].mean(1)], 1)


class Top(nn.Module):
    """The other blocks and the classifier."""

    def __init__(self, vit, blocks, classes):
        super().__init__()
        self.blocks, self.norm, self.fc_norm = nn.Sequential(*vit.blocks[blocks:]), vit.norm, vit.fc_norm
        self.dropout, self.head = vit.head_drop, nn.Linear(vit.num_features, classes)

    def forward(self, x):
        return self.head(self.dropout(self.fc_norm(self.norm(self.blocks(x))[:, 0])))

    def get_classifier(self):
        return self.head


class MLP(nn.Module):
    def __init__(self, inputs, hidden, classes, dropout):
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(inputs), nn.Dropout(dropout), nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout))
        self.head = nn.Linear(hidden, classes)

    def forward(self, x):
        return self.head(self.body(x))

    def get_classifier(self):
        return self.head


class Transfer(nn.Module):
    """A linear layer on top of a model's own classes (paper C.2), folded into its classifier for saving."""

    def __init__(self, model, classes):
        super().__init__()
        self.model, self.head = model, nn.Linear(model.num_classes, classes)

    def forward(self, x):
        return self.head(self.model(x))

    def get_classifier(self):
        return self.head

    def folded(self):
        old = self.model.get_classifier()
        weight, bias = self.head.weight @ old.weight, self.head.weight @ old.bias + self.head.bias
        state = dict(self.model.state_dict())
        name = next(n for n, m in self.model.named_modules() if m is old)
        return {**state, f"{name}.weight": weight.detach(), f"{name}.bias": bias.detach()}


def build(a):
    """The frozen trunk or None, the trained model, and mean and deviation of its images."""
    extra = {"drop_path_rate": a.drop_path} if a.drop_path else {}
    if a.model.startswith(("vit", "deit")):
        extra["img_size"] = a.size
    if isinstance(a.pretrained, str):
        extra["pretrained_cfg_overlay"] = {"file": a.pretrained}
    known = timm.get_pretrained_cfg(a.model)
    own_classes = known.num_classes if known and known.num_classes else 1000
    state = torch.load(a.init, map_location="cpu", weights_only=True) if a.init else None
    if a.transfer and state:
        own_classes = len(state[f"{known.classifier}.weight"])
    model = timm.create_model(a.model, pretrained=bool(a.pretrained), num_classes=own_classes if a.transfer else a.classes, drop_rate=a.dropout, **extra)
    config = timm.data.resolve_model_data_config(model)
    trunk = None
    if a.transfer:
        if a.init:
            model.load_state_dict(state)
        model = Transfer(model, a.classes)
    else:
        if a.freeze_blocks:
            trunk = Trunk(model, a.freeze_blocks).eval().requires_grad_(False)
            whole = a.freeze_blocks == len(model.blocks)
            model = MLP(2 * model.num_features, a.hidden, a.classes, a.dropout) if whole else Top(copy.deepcopy(model), a.freeze_blocks, a.classes).requires_grad_(True)
        if trunk or not a.pretrained or own_classes != a.classes:   # a new classifier: every class is unlikely at first (paper B.3)
            nn.init.normal_(model.get_classifier().weight, std=0.01)
            nn.init.constant_(model.get_classifier().bias, -math.log(a.classes) if a.loss != "ce" else 0.0)
        if a.init:
            model.load_state_dict(state)
    return trunk, model, (list(config["mean"]), list(config["std"]))


def optimizer(a, model):
    head = {id(p) for p in model.get_classifier().parameters()}
    named = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in named if p.ndim > 1 and id(p) not in head]
    plain = [p for p in named if p.ndim <= 1 or id(p) in head]
    groups = [{"params": decayed, "weight_decay": a.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if a.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=a.lr, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=a.lr)


# ---------------------------------------------------------------- training


def loss_of(a, logits, targets, epoch):
    """The mean loss of a batch, and which (row, class) large loss corrects for good."""
    if a.loss == "ce":
        targets = targets / targets.sum(1, keepdim=True).clamp_min(1e-6)
        targets = targets * (1 - a.smoothing) + a.smoothing / targets.shape[1]
        return -(targets * F.log_softmax(logits, 1)).sum(1).mean(), None
    low, high = a.range
    losses = F.binary_cross_entropy_with_logits(logits, low + targets * (high - low), reduction="none")
    if a.loss == "bce":
        return losses.sum(1).mean(), None
    absent = targets == 0
    share = a.ll_rate / 100 * (1 if a.loss == "ll-cp" else epoch)
    count = min(math.ceil(losses.numel() * share), int(absent.sum()))
    if count == 0:
        return losses.sum(1).mean(), None
    unobserved = torch.where(absent, losses.detach(), losses.new_tensor(-1.0))
    large = unobserved >= unobserved.flatten().topk(count).values[-1]
    if a.loss == "ll-r":
        losses = torch.where(large, 0.0, losses)
    else:
        losses = torch.where(large, F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, high), reduction="none"), losses)
    return losses.sum(1).mean(), large if a.loss == "ll-cp" else None


def mix(a, x, y):
    """Mixup or CutMix of a batch with itself, and the targets with the same weight."""
    if not (a.mixup or a.cutmix):
        return x, y
    other = torch.randperm(len(x), device=x.device)
    if a.cutmix and (not a.mixup or random.random() < 0.5):
        height, width = x.shape[2:]
        share = math.sqrt(1 - np.random.beta(a.cutmix, a.cutmix))
        h, w = int(height * share), int(width * share)
        top, left = random.randint(0, height - h), random.randint(0, width - w)
        x = x.clone()
        x[:, :, top:top + h, left:left + w] = x[other, :, top:top + h, left:left + w]
        keep = 1 - h * w / (height * width)
    else:
        keep = np.random.beta(a.mixup, a.mixup)
        x = keep * x + (1 - keep) * x[other]
    return x, keep * y + (1 - keep) * y[other]


class FrozenViews:
    """What a frozen trunk gives for some views of each image, computed once; iterating gives batches with a random view of each."""

    computed = {}    # (arguments, file): the views' features and boxes, for other runs of this process

    def __init__(self, a, images, trunk, views, training):
        self.images, self.views, self.batch, self.training = images, views, a.batch, training
        settings = (a.model, a.pretrained, a.freeze_blocks, a.size, a.in_memory, a.eval_crop, tuple(a.crop_scale), a.randaugment, views)
        keys = [(settings, os.path.realpath(os.path.join(images.folder, name))) for name in images.ids]
        new = [i for i, key in enumerate(keys) if key not in self.computed]
        for begin in range(0, len(new), 32):
            part = new[begin:begin + 32]
            pixels, boxes = zip(*(images.view(i, crop=v > 0) for i in part for v in range(views)))
            with torch.no_grad(), torch.autocast(a.device, torch.bfloat16, enabled=a.amp):
                features = trunk(torch.stack(pixels).to(a.device)).half().cpu()
            for n, i in enumerate(part):
                self.computed[keys[i]] = features[n * views:(n + 1) * views].clone(), boxes[n * views:(n + 1) * views]
        self.features = torch.cat([self.computed[key][0] for key in keys])
        self.targets = torch.stack([images.target(i, box) for i, key in enumerate(keys) for box in self.computed[key][1]])

    def __len__(self):
        whole = len(self.images) // self.batch
        return max(1, whole) if self.training else -(-len(self.images) // self.batch)

    def __iter__(self):
        count = len(self.images)
        order = torch.randperm(count) if self.training else torch.arange(count)
        for index in order.split(self.batch)[: len(self)]:
            rows = index * self.views + (torch.randint(self.views, index.shape) if self.views > 1 else 0)
            yield self.features[rows].float(), self.targets[rows], index


class Rows:
    """Targets of many images, only what is not 0; a row of ImageNet's 1.28 million would else take 4 kB in each process."""

    def __init__(self, classes, rows):
        self.classes = classes
        self.ends = np.cumsum([0, *(len(row) for row in rows)])
        self.columns = np.array([c for row in rows for c in row], np.int32)
        self.values = np.array([p for row in rows for p in row.values()], np.float32)

    def __getitem__(self, i):
        row, part = np.zeros(self.classes, np.float32), slice(self.ends[i], self.ends[i + 1])
        row[self.columns[part]] = self.values[part]
        return row


def datasets(a):
    """Ids of the training images, their targets, and ids of the validation images."""
    ids, folders, count = list_images(a.data)
    labels = read_labels(a.labels) if a.labels else {i: (c, {}) for i, c in zip(ids, folders)}
    truth, categories = read_truth(a.truth) if a.truth else ({}, 0)
    a.classes = a.classes or categories or count
    if a.target in ("soft", "hard") and not a.labels:
        raise SystemExit(f"error: --target {a.target} needs --labels")
    if (a.target == "truth" and not a.truth) or (a.target == "maps" and not a.maps):
        raise SystemExit(f"error: --target {a.target} needs --{a.target}")
    ids = [i for i in ids if i in (truth if a.target == "truth" else labels)]
    if not ids:
        raise SystemExit("error: no image of --data is among the labels")
    kinds = {
        "single": lambda name: {labels[name][0]: 1.0},
        "truth": lambda name: dict.fromkeys(truth[name], 1.0),
        "soft": lambda name: labels[name][1],
        "hard": lambda name: {c: 1.0 for c, p in labels[name][1].items() if p > a.threshold},
        "maps": lambda name: {},
    }
    return ids, Rows(a.classes, [kinds[a.target](name) for name in ids]), list_images(a.validation)[0] if a.validation else None


def mean_average_precision(scores, truth):
    """Class mAP in per cent: the mean over classes with a positive of the average precision of their ranking."""
    precisions = []
    for column, positive in zip(scores.T, truth.T):
        if positive.any():
            hits = positive[np.argsort(-column, kind="stable")]
            precisions.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return 100 * float(np.mean(precisions))


def arranged(x, device):
    """A batch on the device; images with their channels last, which convolutions are faster with."""
    return x.to(device, non_blocking=True, **({"memory_format": torch.channels_last} if x.ndim == 4 else {}))


def predict(a, model, loader):
    model.eval()
    logits = []
    with torch.no_grad(), torch.autocast(a.device, torch.bfloat16, enabled=a.amp):
        for x, _, _ in loader:
            logits.append(model(arranged(x, a.device)).float().cpu())
    logits = torch.cat(logits)
    softmax = a.scores == "softmax" or a.scores is None and a.loss == "ce"
    return (logits.softmax(1) if softmax else logits.sigmoid()).numpy()


def flops(model, sample):
    """Of one forward pass of one sample; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample)
    return counter.get_total_flops()


def run(a):
    """Trains as the arguments say; returns the validation images' ids and scores, and the mAP after the last epoch."""
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if world > 1 and a.freeze_blocks:
        raise SystemExit("error: --freeze-blocks runs on one device")
    if world > 1:
        torch.distributed.init_process_group("nccl" if a.device == "cuda" else "gloo")
        if a.device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    random.seed(a.seed + rank), np.random.seed(a.seed + rank), torch.manual_seed(a.seed)
    ids, rows, validation = datasets(a)
    trunk, model, normalize = build(a)
    trained = model.to(a.device, memory_format=torch.channels_last)

    def images(folder, names, targets, training):
        memory = decoded(folder, tuple(names), a.in_memory) if a.in_memory else None
        return ImageSet(a, folder, names, targets, normalize, training, memory)

    train_set = images(a.data, ids, rows, True)
    valid_set = images(a.validation, validation, None, False) if validation else None
    if a.dry_run:
        return dry_run(a, trunk, trained, train_set, world)
    if trunk:
        trunk.to(a.device)
        train_set = FrozenViews(a, train_set, trunk, a.views, True)
        valid_set = valid_set and FrozenViews(a, valid_set, trunk, 1, False)
    if world > 1:
        model = nn.parallel.DistributedDataParallel(trained)
    result = fit(a, model, trained, train_set, valid_set, world, rank)
    if world > 1:
        torch.distributed.destroy_process_group()
    return result


def loader_of(a, data, training, world=1):
    if isinstance(data, FrozenViews):
        return data
    sampler = torch.utils.data.distributed.DistributedSampler(data, drop_last=True, seed=a.seed) if training and world > 1 else None
    return torch.utils.data.DataLoader(data, a.batch, shuffle=training and sampler is None, sampler=sampler, num_workers=a.workers,
                                       drop_last=training and len(data) >= a.batch, pin_memory=a.device == "cuda", persistent_workers=a.workers > 0)


def step(a, model, trained, optimize, batch, epoch, flipped):
    x, y, index = batch
    x, y = arranged(x, a.device), y.to(a.device, non_blocking=True)
    if flipped is not None:
        y = torch.where(flipped[index].to(a.device), 1.0, y)
    x, y = mix(a, x, y)
    with torch.autocast(a.device, torch.bfloat16, enabled=a.amp):
        logits = model(x)
    loss, large = loss_of(a, logits.float(), y, epoch)
    optimize.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(trained.parameters(), 5.0)
    optimize.step()
    if large is not None:
        rows, columns = large.nonzero(as_tuple=True)
        flipped[index[rows.cpu()], columns.cpu()] = True
    if not math.isfinite(loss.item()):
        raise SystemExit("error: the loss is not a number; try a smaller --lr")
    return loss.item()


def fit(a, model, trained, train_set, valid_set, world=1, rank=0):
    loader = loader_of(a, train_set, True, world)
    optimize = optimizer(a, trained)
    steps = len(loader) * a.epochs
    warm = len(loader) * min(a.warmup, a.epochs / 4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimize, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, steps - warm))))
    count = len(train_set.images if isinstance(train_set, FrozenViews) else train_set)
    flipped = torch.zeros(count, a.classes, dtype=torch.bool) if a.loss == "ll-cp" else None
    log, begin = [], time.time()
    for epoch in range(a.epochs):
        model.train()
        if world > 1:
            loader.sampler.set_epoch(epoch)
        total = 0.0
        for batch in loader:
            total += step(a, model, trained, optimize, batch, epoch, flipped)
            schedule.step()
        log.append({"epoch": epoch + 1, "loss": total / len(loader), "seconds": time.time() - begin})
        if rank == 0 and a.output:
            print(f"epoch {epoch + 1}/{a.epochs}: loss {log[-1]['loss']:.4f}, {log[-1]['seconds']:.0f} s", flush=True)
    names = scores = score = None
    if valid_set is not None and rank == 0:
        source = valid_set.images if isinstance(valid_set, FrozenViews) else valid_set
        names, scores = source.ids, predict(a, trained, loader_of(a, valid_set, False))
        if a.validation_truth:
            truth = read_truth(a.validation_truth)[0]
            known = [(i, truth[n]) for i, n in enumerate(names) if n in truth]
            matrix = np.zeros((len(known), a.classes), bool)
            for row, (_, classes) in zip(matrix, known):
                row[list(classes)] = True
            score = mean_average_precision(scores[[i for i, _ in known]], matrix)
    if rank == 0 and a.output:
        save(a, trained, log, names, scores, score)
    return names, scores, score


def save(a, trained, log, names, scores, score):
    output = Path(a.output)
    output.mkdir(parents=True, exist_ok=True)
    torch.save(trained.folded() if isinstance(trained, Transfer) else trained.state_dict(), output / "model.pt")
    (output / "log.json").write_text(json.dumps({"arguments": vars(a), "epochs": log, "class_map": score}, indent=1))
    if names is not None:
        with open(output / "predictions.json", "w") as file:
            for k, (name, row, label) in enumerate(zip(names, scores, list_images(a.validation)[1])):
                numbers = ",".join(f"{p:.6g}" for p in row)
                file.write(f'{"{" if k == 0 else ","}\n{json.dumps(name)}: {{"multilabel": [{numbers}], "gt": {label}}}')
            file.write("\n}\n")
    if score is not None:
        print(f"class mAP {score:.2f} %")


def dry_run(a, trunk, model, train_set, world):
    """FLOPs of the run (a step is three forward passes), and its time from a few steps."""
    sample = torch.zeros(1, 3, a.size, a.size, device=a.device)
    frozen = 0
    if trunk:
        trunk.to(a.device)
        frozen, sample = flops(trunk, sample), trunk(sample)
    forward = flops(model, sample)
    total = len(train_set) * (a.views * frozen + 3 * forward * a.epochs)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{a.model}: {parameters / 1e6:.2f} M trained parameters; {(frozen + forward) / 1e9:.3f} GFLOPs an image forward"
          + (f", {forward / 1e9:.3f} of them trained" if trunk else ""))
    print(f"{len(train_set)} images, {a.epochs} epochs: {total:.3g} FLOPs")
    few = torch.utils.data.Subset(train_set, range(min(len(train_set), 6 * a.batch)))
    optimize, times, last = optimizer(a, model), [], time.time()
    for x, y, index in loader_of(a, few, True):
        if trunk:
            with torch.no_grad(), torch.autocast(a.device, torch.bfloat16, enabled=a.amp):
                x = trunk(x.to(a.device)).float()
            last = time.time()
        flipped = torch.zeros(len(train_set), a.classes, dtype=torch.bool) if a.loss == "ll-cp" else None
        step(a, model, model, optimize, (x, y, index), 0, flipped)
        times.append(time.time() - last)
        last = time.time()
    seconds = float(np.median(times[1:] or times)) * len(train_set) / min(a.batch, len(few)) / world * a.epochs
    print(f"about {seconds / 3600:.2f} hours on {a.device} ({len(times)} steps measured, data loading included" + (", without the frozen blocks)" if trunk else ")"))
    return None, None, None


def main(argv=None):
    return run(arguments(argv))


if __name__ == "__main__":
    main()

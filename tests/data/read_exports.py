"""Reads what the exporters wrote with the tools that it is for, and compares it with labels.jsonl: `read_exports.py WORK`."""
import io
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import datasets
import datumaro
import numpy as np
import webdataset
import yaml
from label_studio_sdk.label_interface import LabelInterface
from pycocotools import mask as coco_mask

work = Path(sys.argv[1])
rows = {row["id"]: row for row in map(json.loads, (work / "labels.jsonl").open())}
names = (work / "classes.txt").read_text().splitlines()
assert rows and all(row["label_name"] == names[row["label"]] for row in rows.values())


def regions(row, above=0.5):
    """The class and the mask of each region that is surer than that."""
    size = [row["height"], row["width"]]
    for region in row["regions"]:
        if region["probabilities"][0] > above:
            yield region["classes"][0], coco_mask.decode({"size": size, "counts": region["counts"]}).astype(bool)


assert sum(len(list(regions(row))) for row in rows.values()) > 3, "there is nothing to compare"

# webdataset: the row itself, the label, and the dataset's own bytes
found = list(webdataset.WebDataset(str(work / "labels.tar"), shardshuffle=False))
assert [json.loads(sample["json"])["id"] for sample in found] == list(rows)
for sample in found:
    row = json.loads(sample["json"])
    assert row == rows[row["id"]] and int(sample["cls"]) == row["label"]
    assert sample["png"] == (work.parent / "data" / row["id"]).read_bytes()

# Hugging Face's imagefolder
read = datasets.load_dataset("imagefolder", data_files=str(work / "labels.zip"), split="train", cache_dir=str(work / "hf"))
assert sorted(read["id"]) == sorted(rows)
for sample in read:
    row = rows[sample["id"]]
    assert sample["image"].size == (row["width"], row["height"])
    assert (sample["label"], sample["label_name"]) == (row["label"], row["label_name"])
    assert (sample["labels"], sample["label_names"]) == (row["classes"], row["class_names"])
    assert np.allclose(sample["probabilities"], row["probabilities"], atol=1e-7)

# YOLO's segmentation form: each line filled as Ultralytics does, with OpenCV
with zipfile.ZipFile(work / "yolo.zip") as archive:
    data = yaml.safe_load(archive.read("data.yaml"))
    assert data["names"] == dict(enumerate(names))
    ids = dict(line.split("\t") for line in archive.read("ids.tsv").decode().splitlines())
    assert sorted(ids.values()) == sorted(rows)
    for number, sample in ids.items():
        row, expected = rows[sample], list(regions(rows[sample]))
        picture = cv2.imdecode(np.frombuffer(archive.read(f"{data['train']}/{number}.png"), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[:2] == (row["height"], row["width"])
        lines = archive.read(f"labels/{number}.txt").decode().splitlines()
        assert len(lines) == len(expected)
        for line, (label, mask) in zip(lines, expected):
            label_read, *points = line.split()
            polygon = np.array(points, float).reshape(-1, 2) * [row["width"], row["height"]]
            filled = np.zeros(mask.shape, np.uint8)
            cv2.fillPoly(filled, [polygon.astype(np.int32)], 1)
            overlap = (mask & (filled > 0)).sum() / (mask | (filled > 0)).sum()
            assert int(label_read) == label and overlap > 0.8, (sample, overlap)

# Label Studio: the project's labeling config accepts every task and every prediction
choices = "".join(f'<Choice value="{name.replace("&", "&amp;")}"/>' for name in names)
labels = "".join(f'<Label value="{name.replace("&", "&amp;")}"/>' for name in names)
interface = LabelInterface(
    f'<View><Image name="image" value="$image"/><Choices name="labels" toName="image" choice="multiple">{choices}</Choices>'
    f'<PolygonLabels name="regions" toName="image">{labels}</PolygonLabels></View>'
)
tasks = json.loads((work / "tasks.json").read_text())
assert [task["data"]["id"] for task in tasks] == list(rows)
for task in tasks:
    row = rows[task["data"]["id"]]
    assert interface.validate_task({"data": task["data"]})
    prediction, = task["predictions"]
    assert interface.validate_prediction(prediction) and all(interface.validate_region(region) for region in prediction["result"])
    chosen = [name for region in prediction["result"] if region["type"] == "choices" for name in region["value"]["choices"]]
    assert chosen == [name for name, p in zip(row["class_names"], row["probabilities"]) if p > 0.5]
    drawn = [np.array(region["value"]["points"]) / 100 for region in prediction["result"] if region["type"] == "polygonlabels"]
    assert len(drawn) >= len(list(regions(row))) and all(((0 <= points) & (points <= 1)).all() for points in drawn)

# CVAT's XML, by Datumaro, which wants the images beside it: masks to the pixel
folder = work / "cvat"
for sample in rows:
    (folder / "images" / sample).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(work.parent / "data" / sample, folder / "images" / sample)
shutil.copy(work / "cvat.xml", folder / "annotations.xml")
read = datumaro.Dataset.import_from(str(folder), "cvat")
categories = [category.name for category in read.categories()[datumaro.AnnotationType.label]]
assert categories == names and len(read) == len(rows)
for item in read:
    sample = next(sample for sample in rows if os.path.splitext(sample)[0] == item.id)
    row = rows[sample]
    masks = [(a.label, np.asarray(a.image, bool)) for a in item.annotations if a.type == datumaro.AnnotationType.mask]
    expected = list(regions(row))
    assert len(masks) == len(expected)
    for (label_read, mask_read), (label, mask) in zip(masks, expected):
        assert label_read == label and (mask_read == mask).all()
    tags = [a.label for a in item.annotations if a.type == datumaro.AnnotationType.label]
    assert tags == [c for c, p in zip(row["classes"], row["probabilities"]) if p > 0.5]
print(len(rows), "images")

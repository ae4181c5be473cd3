"""Reads what `convert review export` wrote with the tools that it is for, and compares the two: `read_reviews.py PLACE`."""
import json
import sys
from pathlib import Path

import datumaro
import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface
from pycocotools import mask as coco_mask

place = Path(sys.argv[1])
rows = {row["id"]: row for row in map(json.loads, (place / "work/labels.jsonl").open())}
names = (place / "work/classes.txt").read_text().splitlines()

# Label Studio: the labeling config of docs/reviews.md accepts every task, and its own decoder gives the masks
choices = "".join(f'<Choice value="{name.replace("&", "&amp;")}"/>' for name in names)
labels = "".join(f'<Label value="{name.replace("&", "&amp;")}"/>' for name in names)
interface = LabelInterface(
    f'<View><Image name="image" value="$image"/><Choices name="labels" toName="image" choice="multiple">{choices}</Choices>'
    f'<BrushLabels name="masks" toName="image">{labels}</BrushLabels></View>'
)
tasks, found = json.loads((place / "tasks.json").read_text()), {}
for task in tasks:
    assert interface.validate_task({"data": task["data"]})
    made, = task.get("annotations") or task["predictions"]
    if "annotations" in task:
        assert interface.validate_annotation(made)
    else:
        assert interface.validate_prediction(made)
    assert all(interface.validate_region(region) for region in made["result"])
    masks = []
    for region in made["result"]:
        if region["type"] == "brushlabels":
            picture = decode_rle(region["value"]["rle"]).reshape(region["original_height"], region["original_width"], 4)
            masks.append((region["value"]["brushlabels"][0], picture[:, :, 3] > 0))
    chosen = [name for region in made["result"] if region["type"] == "choices" for name in region["value"]["choices"]]
    found[task["data"]["id"]] = (chosen, masks)

# Datumaro: the same
folder = place / "datumaro/annotations"
folder.mkdir(parents=True, exist_ok=True)
(folder / "default.json").write_bytes((place / "datumaro.json").read_bytes())
read = datumaro.Dataset.import_from(str(place / "datumaro"), "datumaro")
categories = [category.name for category in read.categories()[datumaro.AnnotationType.label]]
assert categories == names and len(read) == len(tasks)
for item in read:
    sample = item.attributes["id"]
    assert sample.startswith(item.id) and item.media.size == (rows[sample]["height"], rows[sample]["width"])
    chosen, masks = found[sample]
    assert [categories[a.label] for a in item.annotations if a.type == datumaro.AnnotationType.label] == chosen
    theirs = [(categories[a.label], np.asarray(a.image, bool)) for a in item.annotations if a.type == datumaro.AnnotationType.mask]
    assert len(theirs) == len(masks)
    assert all(one == other and (mask == also).all() for (one, mask), (other, also) in zip(theirs, masks))

# and the run's own masks are among them
whole = 0
for sample, (_, masks) in found.items():
    size = [rows[sample]["height"], rows[sample]["width"]]
    own = [coco_mask.decode({"size": size, "counts": region["counts"]}).astype(bool) for region in rows[sample]["regions"]]
    whole += sum(any((mask == other).all() for other in own) for _, mask in masks)
assert whole >= 3, whole
print(len(tasks), "images")

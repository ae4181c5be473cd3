"""Writes the fixtures of the datasets coco, webdataset and parquet: twelve small photos of two classes in all forms.

    python make.py

Needs Pillow, numpy, and Hugging Face's datasets with pyarrow. The PNG photos show a red disc (apple) or a blue square (pear) on grey grain.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image as ImageFeature
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
CLASSES = ["apple", "pear"]


def photo(number):
    """A photo as PNG bytes, its class, and the box of its object as x, y, width, height."""
    grain = np.random.default_rng(number).integers(110, 140, (64, 64, 1), dtype=np.uint8)
    image = Image.fromarray(np.repeat(grain, 3, axis=2))
    label, x, y, side = number % 2, 8 + number % 5 * 3, 10 + number % 3 * 4, 24 + number % 4 * 2
    box = (x, y, x + side - 1, y + side - 1)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if label == 0 else draw.rectangle)(box, fill=[(200, 40, 40), (40, 70, 200)][label])
    encoded = io.BytesIO()
    image.quantize(24).save(encoded, "PNG", optimize=True)
    return encoded.getvalue(), label, [x, y, side, side]


PHOTOS = [photo(number) for number in range(12)]


def coco():
    folder = HERE / "coco"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, (encoded, label, (x, y, width, height)) in enumerate(PHOTOS):
        name = f"images/{number:02}.png"
        (folder / name).write_bytes(encoded)
        images.append({"id": number + 1, "file_name": name, "width": 64, "height": 64})
        outline = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotations.append({"id": number + 1, "image_id": number + 1, "category_id": 3 - label, "iscrowd": 0, "area": width * height,
                            "bbox": [x, y, width, height], "segmentation": [outline]})
    categories = [{"id": 2, "name": CLASSES[1]}, {"id": 3, "name": CLASSES[0]}]
    file = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(file))


def webdataset():
    """As the WebDataset library's ShardWriter lays its shards out: a pax tar, the members of a sample side by side."""
    folder = HERE / "webdataset"
    folder.mkdir(exist_ok=True)
    for shard in range(2):
        with tarfile.open(folder / f"train-{shard:03}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for number in range(shard * 6, shard * 6 + 6):
                encoded, label, box = PHOTOS[number]
                members = {"png": encoded, "cls": str(label).encode(), "json": json.dumps({"name": CLASSES[label], "box": box}).encode()}
                for extension, content in members.items():
                    member = tarfile.TarInfo(f"photos/{number:02}.{extension}")
                    member.size, member.mode, member.mtime = len(content), 0o444, 0
                    tar.addfile(member, io.BytesIO(content))
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")


FEATURES = Features({"image": ImageFeature(), "label": ClassLabel(names=CLASSES)})


def rows(numbers):
    """A Hugging Face dataset of some of the photos."""
    images = [{"bytes": PHOTOS[number][0], "path": f"{number:02}.png"} for number in numbers]
    return Dataset.from_dict({"image": images, "label": [PHOTOS[number][1] for number in numbers]}, features=FEATURES)


def parquet():
    folder = HERE / "parquet"
    folder.mkdir(exist_ok=True)
    for part in range(2):
        rows(range(part * 6, part * 6 + 6)).to_parquet(folder / f"train-{part:05}-of-00002.parquet", batch_size=4)


def saved():
    """What save_to_disk writes: the rows in Arrow streams, and what they are in JSON."""
    rows(range(12)).save_to_disk(HERE / "saved", num_shards=2)


coco()
webdataset()
parquet()
saved()

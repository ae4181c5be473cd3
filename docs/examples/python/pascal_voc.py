"""Boxes in the form of Pascal VOC: a zip archive with `Annotations/ID.xml` for each image, an object for each region whose surest class is among the image's labels.

    export: [{ plugin: python, file: voc.zip, config: { entry: pascal_voc.py:PascalVoc } }]
"""

import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree as xml

import numpy as np

from convert_sdk import Exporter, ExportWriter


def element(parent, name, text=None):
    child = xml.SubElement(parent, name)
    child.text = None if text is None else str(text)
    return child


class Archive(ExportWriter):
    def __init__(self, output, classes, threshold):
        self.archive = zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED)
        self.classes, self.threshold = classes, threshold

    def write(self, sample):
        root = xml.Element("annotation")
        element(root, "filename", sample.id)
        size = element(root, "size")
        for name, value in ("width", sample.width), ("height", sample.height), ("depth", 3):
            element(size, name, value)
        for region in sample.regions:
            number, _ = region["classes"][0]
            if sample.labels.get(number, 0) <= self.threshold:
                continue
            rows, columns = np.nonzero(region["mask"])
            found = element(root, "object")
            element(found, "name", self.classes[number])
            box = element(found, "bndbox")
            # VOC counts pixels from 1, and both ends belong to the box.
            for name, value in ("xmin", columns.min()), ("ymin", rows.min()), ("xmax", columns.max()), ("ymax", rows.max()):
                element(box, name, value + 1)
        name = PurePosixPath("Annotations") / PurePosixPath(sample.id).with_suffix(".xml")
        # A fixed date: the same run gives the same bytes.
        self.archive.writestr(zipfile.ZipInfo(str(name)), xml.tostring(root))

    def finish(self):
        self.archive.close()


class PascalVoc(Exporter):
    @dataclass
    class Config:
        #: A label counts when its probability is above this.
        threshold: float = 0.5

    def begin(self, run, output):
        return Archive(output, self.context.classes, self.config.threshold)

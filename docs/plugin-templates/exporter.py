"""An exporter: JSON lines."""

import json

from convert_sdk import Exporter, ExportWriter


class Lines(ExportWriter):
    def __init__(self, file, classes):
        self.file, self.classes = file, classes

    def write(self, sample):
        row = {"id": sample.id, "labels": [self.classes[number] for number in sample.labels], "mean": float(sample.image.mean())}
        self.file.write(json.dumps(row) + "\n")

    def finish(self):
        self.file.close()


class JsonLines(Exporter):
    """An object a line, with the names of the labels."""

    def begin(self, run, output):
        return Lines(open(output, "w"), self.context.classes)

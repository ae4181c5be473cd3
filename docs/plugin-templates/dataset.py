"""A dataset: images named CLASS-NUMBER.png in one folder."""

from dataclasses import dataclass
from pathlib import Path

from convert_sdk import Dataset


class Folder(Dataset):
    """Images named CLASS-NUMBER.png in one folder."""

    @dataclass
    class Config:
        folder: str

    def setup(self):
        self.files = {path.name: path for path in Path(self.config.folder).glob("*.png")}
        self.names = sorted({name.rsplit("-", 1)[0] for name in self.files})

    def classes(self):
        return self.names

    def samples(self):
        return [(name, self.names.index(name.rsplit("-", 1)[0])) for name in self.files]

    def image(self, id):
        return self.files[id]

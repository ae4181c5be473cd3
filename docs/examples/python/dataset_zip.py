"""Images in a zip archive, the class being the folder: `photos.zip` with `apple/01.jpg`, `pear/02.jpg`.

    dataset: { plugin: python, entry: dataset_zip.py:ZipFolders, config: { file: photos.zip } }
"""

import zipfile
from dataclasses import dataclass

from convert_sdk import ConfigError, Dataset, Sample

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class ZipFolders(Dataset):
    @dataclass
    class Config:
        file: str

    def setup(self):
        try:
            self.archive = zipfile.ZipFile(self.config.file)
        except (OSError, zipfile.BadZipFile) as error:
            raise ConfigError(f"cannot read {self.config.file}: {error}") from error
        entries = (entry for entry in self.archive.infolist() if entry.filename.lower().endswith(ENDINGS) and "/" in entry.filename)
        self.entries = {entry.filename: entry for entry in entries}
        self.names = sorted({name.split("/")[0] for name in self.entries})

    def classes(self):
        return self.names

    def samples(self):
        # The checksum changes with the image, so that a changed one is computed anew.
        return [Sample(name, self.names.index(name.split("/")[0]), revision=entry.CRC | 2) for name, entry in self.entries.items()]

    def image(self, id):
        return self.archive.read(id)

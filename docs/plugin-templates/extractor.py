"""An extractor, for `convert features`: mean colours of blocks."""

from convert_sdk import Extractor


class Blocks(Extractor):
    """The mean colour of blocks of 16 x 16 pixels."""

    def extract(self, image):
        rows, columns = image.shape[0] // 16, image.shape[1] // 16
        return image[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16, 3).mean(axis=(1, 3)) / 255

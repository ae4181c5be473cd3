"""An extractor, for `convert features`: mean colours of blocks."""

import numpy as np

from convert_sdk import Extractor


class Blocks(Extractor):
    """The mean colour of blocks of about 16 x 16 pixels."""

    def extract(self, image):
        rows, columns = (max(side // 16, 1) for side in image.shape[:2])
        cells = (np.array_split(row, columns, axis=1) for row in np.array_split(image, rows))
        return np.array([[cell.mean(axis=(0, 1)) / 255 for cell in row] for row in cells])

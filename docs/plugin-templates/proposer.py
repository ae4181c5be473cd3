"""A proposer: the quarters of an image."""

import numpy as np

from convert_sdk import Proposal, Proposer


class Quarters(Proposer):
    """The four quarters of an image, the brightest first."""

    def propose(self, image, id):
        height, width = image.shape[:2]
        for top in (0, height // 2):
            for left in (0, width // 2):
                mask = np.zeros((height, width), dtype=bool)
                mask[top : top + height // 2, left : left + width // 2] = True
                if mask.any():  # an image of one pixel has no quarters
                    yield Proposal(mask, score=float(image[mask].mean()), measures={"top": top, "left": left})

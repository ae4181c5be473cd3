"""Plugins that do what they should not, on images whose id says so."""

import os
import sys
import time
from dataclasses import dataclass

import numpy as np

from convert_sdk import Proposal, Proposer


class Unruly(Proposer):
    def propose(self, image, id):
        print("looking at", id)
        sys.stderr.write("and its shadow\n")
        os.write(1, b"even past Python's own streams\n")
        self.context.log("warn", f"a warning about {id}")
        mask = np.ones(image.shape[:2], dtype=bool)
        if "000" in id:
            raise ValueError("cannot make sense of it\nat all")
        if "001" in id:
            return [Proposal(mask, score=float("nan"))]
        if "002" in id:
            return [np.ones((4, 4, 3), dtype=bool)]
        if "003" in id:
            time.sleep(100)
        if "004" in id:
            os._exit(3)
        if "005" in id:
            os.kill(os.getpid(), 9)
        if "006" in id:
            return 17
        if "007" in id:
            return [image[..., 0]]
        return [Proposal({"size": list(mask.shape), "counts": [0, mask.size]})]


class Dying(Proposer):
    def propose(self, image, id):
        os._exit(1)


class Leaking(Proposer):
    """Keeps 30 MB of every call."""

    def setup(self):
        self.kept = []

    def propose(self, image, id):
        self.kept.append(np.ones(30 << 20, dtype=np.uint8))
        return [np.ones(image.shape[:2], dtype=bool)]


class Batches(Proposer):
    """Takes four images at once; a bad one spoils the batch that it is in."""

    batch_size = 4

    def propose(self, image, id):
        if "003" in id:
            raise ValueError("cannot make sense of it")
        return [np.ones(image.shape[:2], dtype=bool)]

    def propose_batch(self, images, ids):
        print("asked for", len(ids))
        if len(ids) > 1 and any("003" in id for id in ids):
            raise RuntimeError("the batch is spoilt")
        return super().propose_batch(images, ids)


class Strict(Proposer):
    @dataclass
    class Config:
        points: int
        name: str = "x"

    def propose(self, image, id):
        return []


class Nothing(Proposer):
    def propose(self, image, id):
        return []

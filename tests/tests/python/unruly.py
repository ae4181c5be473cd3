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

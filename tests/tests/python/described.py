"""A class whose config has every kind of key."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal, Optional

from convert_sdk import Proposer


class Order(Enum):
    BRIGHT = "bright"
    DARK = "dark"


@dataclass
class Grid:
    """A grid of points."""

    side: int = 32  # points a side
    margin: float = 0.0


class Described(Proposer):
    """Masks around points."""

    @dataclass
    class Config:
        weights: Path
        """The model's file."""
        #: Points that are asked at once;
        #: fewer need less memory.
        batch: int = 64
        order: Order = Order.BRIGHT
        levels: Literal[1, 2, "all"] = 1
        grid: Grid = field(default_factory=Grid, metadata={"doc": "Where the points are."})
        names: list[str] = field(default_factory=list)
        share: Optional[float] = field(default=None, metadata={"doc": "Of the image.", "schema": {"minimum": 0, "maximum": 1}})
        scales: dict[str, float] = field(default_factory=dict)
        size: tuple[int, int] = (640, 480)
        fast: bool = False

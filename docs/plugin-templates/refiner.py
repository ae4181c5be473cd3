"""A refiner: dark masks go."""

from dataclasses import dataclass

from convert_sdk import Drop, Refiner


class DropDark(Refiner):
    """Drops masks whose pixels are darker than a limit."""

    @dataclass
    class Config:
        darkest: float = 40.0

        def __post_init__(self):
            if self.darkest < 0:
                raise ValueError(f"darkest is {self.darkest}: give 0 or more")

    def refine(self, image, proposals):
        for proposal in proposals:
            mean = image[proposal.mask].mean()
            yield proposal if mean >= self.config.darkest else Drop(f"its mean is {mean:.0f}")

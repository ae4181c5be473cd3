"""Plugins for `convert` in Python: one class a role.

    from convert_sdk import Proposal, Proposer

    class Corner(Proposer):
        def propose(self, image, id):
            mask = np.zeros(image.shape[:2], dtype=bool)
            mask[:32, :32] = True
            return [Proposal(mask, score=1.0)]

and in the recipe

    proposals:
      - plugin: python
        config: { entry: "corner.py:Corner" }

Images are `uint8` arrays `[height, width, 3]`, RGB. Masks are boolean arrays of any size, or COCO's run lengths (`{"size": [height, width], "counts": ...}`). What `print` writes and what
`self.context.log` is given appears in the run's log. An exception costs the sample, with its last line as the reason.
"""

from ._config import ConfigError
from ._roles import (
    Context,
    Dataset,
    Drop,
    Exporter,
    ExportSample,
    Extractor,
    ExportWriter,
    Labeler,
    LabelModel,
    Postprocessor,
    Prediction,
    Proposal,
    Proposer,
    Refiner,
    Region,
    Sample,
    Selection,
    Selector,
    Subject,
    TrainingRegion,
    TrainingSample,
)

__all__ = [
    "ConfigError",
    "Context",
    "Dataset",
    "Drop",
    "ExportSample",
    "ExportWriter",
    "Exporter",
    "Extractor",
    "LabelModel",
    "Labeler",
    "Postprocessor",
    "Prediction",
    "Proposal",
    "Proposer",
    "Refiner",
    "Region",
    "Sample",
    "Selection",
    "Selector",
    "Subject",
    "TrainingRegion",
    "TrainingSample",
]

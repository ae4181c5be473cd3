"""A selector: the labeler learns from the brightest region of each image."""

from convert_sdk import Selection, Selector


class Brightest(Selector):
    """Keeps the region with the highest score, for the image's label."""

    def select(self, subject):
        best = max(region.score for region in subject.regions)
        return [Selection(confidence=region.score / 255, keep=region.score == best, label=subject.label) for region in subject.regions]

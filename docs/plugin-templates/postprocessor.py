"""A postprocessor: labels of small probability go."""

from convert_sdk import ConfigError, Postprocessor


class AtLeast(Postprocessor):
    """Forgets labels below a probability; the original label stays."""

    def setup(self):
        if not 0 <= self.config.get("probability", 0.1) <= 1:
            raise ConfigError("config.probability must be from 0 to 1")

    def adjust(self, label, labels):
        least = self.config.get("probability", 0.1)
        return {number: p for number, p in labels.items() if p >= least or number == label}

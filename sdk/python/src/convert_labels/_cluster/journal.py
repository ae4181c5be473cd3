"""What happened in a run on many machines: a line of JSON for each answer and each loss."""

import json
import time
from pathlib import Path


class Journal:
    """Appends to a file, or to nothing."""

    def __init__(self, file: Path | None) -> None:
        """The file and its folder are made where they are missing.

        Raises:
            OSError: it cannot be written.
        """
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self._open = None if file is None else file.open("a", encoding="utf-8")
        # A driver that was killed may have left half a line.
        if file is not None and self._open is not None and file.stat().st_size and file.read_bytes()[-1:] != b"\n":
            self._open.write("\n")

    def write(self, event: str, **fields: object) -> None:
        """A line, with the time in seconds since 1970."""
        if self._open is not None:
            self._open.write(json.dumps({"time": round(time.time(), 3), "event": event, **fields}) + "\n")
            self._open.flush()

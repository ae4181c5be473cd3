"""Starts the executable, and knows what lies in its work directory."""

import json
import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from convert_labels._environment import environment
from convert_labels._executable import executable
from convert_labels._labels import read_labels, read_regions

if TYPE_CHECKING:
    import fiftyone

_log = logging.getLogger("convert_labels")
_KEPT_LINES = 200


class ConvertError(RuntimeError):
    """The executable ended with an error.

    Its text is the executable's whole report; `message` is the last line that begins with `error:`, without that.
    """

    def __init__(self, exit_code: int, lines: list[str]) -> None:
        """`lines` is what was written to standard error besides log lines."""
        first = next((at for at, line in enumerate(lines) if line.startswith("error:")), max(len(lines) - 1, 0))
        errors = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
        self.exit_code = exit_code
        self.message = errors[-1] if errors else (lines[-1] if lines else f"convert ended with code {exit_code} and said nothing")
        super().__init__("\n".join(lines[first:]).strip() or self.message)


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: str
    """The stage, or several that run in one pass."""
    done: int
    """Images done; in training, epochs or what the labeler counts."""
    total: int
    """Of so many."""
    rate: float
    """So many a second."""
    message: str
    """What a plugin says beside it, mostly nothing."""


@dataclass(frozen=True)
class Statistics:
    """How many classes the images have (paper, Table 5)."""

    threshold: float
    """A class counts when its probability is above this."""
    images: int
    """Images with labels."""
    by_count: tuple[int, ...]
    """Images with 0, 1, 2, 3 and at least 4 classes."""
    average: float
    """Mean number of classes per image."""
    skipped: int
    """Images left out because of an error; see `Run.errors`."""


def run(
    recipe: str | os.PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    device: str | None = None,
    work_dir: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    threads: int | None = None,
    fetch_weights: bool = False,
    allow_skipped: bool = False,
) -> "Run":
    """Runs a recipe, and returns what it made. What an earlier run of it did is not done again.

    Log lines go to the logger `convert_labels`. Ctrl-C is passed on: the executable stores what is done and ends, then KeyboardInterrupt is raised, and
    the same call continues. The same holds for whatever `on_progress` raises.

    Args:
        recipe: The recipe's file.
        set: Changes to it, such as `{"proposals.0.config.tau": 0.3}`. Texts are taken as on the
            command line, paths of `pathlib` are made absolute, anything else is written as JSON.
        on_progress: Called about twice a second and stage.
        device: `cpu` (the default), `cuda` or `cuda:N`.
        work_dir: Where stages and results are kept; the recipe's own by default.
        limit: Work on so many samples, evenly spread over the dataset.
        threads: All cores by default.
        fetch_weights: Fetch published weights that the recipe names and that are not on this machine, as `--yes` does;
            without it a `ConvertError` says what `convert weights get` would fetch.
        allow_skipped: Return however many images could not be read; without it more than 1 % of them (and at least five) raise a
            `ConvertError` with `exit_code` 3. The files are written either way.

    Raises:
        ConvertError: the executable ended with an error.
        FileNotFoundError: there is no executable.
    """
    command = [str(executable()), "--log-format", "json", "--recipe", os.fspath(recipe)]
    for key, value in (set or {}).items():
        command += ["--set", f"{key}={_written(value)}"]
    options = {"--device": device, "--work-dir": work_dir, "--limit": limit, "--threads": threads}
    for option, given in options.items():
        if given is not None:
            command += [option, os.fspath(given) if isinstance(given, os.PathLike) else str(given)]
    if fetch_weights:
        command.append("--yes")
    if allow_skipped:
        command.append("--allow-skipped")
    place: Path | None = None
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    # A session of its own: a terminal's Ctrl-C would reach it a second time, which ends it at once.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, env=environment()) as process:
        lines = _lines(process)
        try:
            for line in lines:
                fields = _event(line)
                if fields is None:
                    said.append(line)
                elif "work_dir" in fields:
                    place = Path(fields["work_dir"])
                elif "stage" in fields and on_progress is not None:
                    on_progress(
                        Progress(fields["stage"], fields["done"], fields["total"], float(fields["rate"]), fields.get("message", ""))
                    )
        except BaseException:
            _interrupt(process, lines)
            raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode != 0 or place is None:
        raise ConvertError(process.returncode, list(said))
    return Run.open(place)


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(Path(value).absolute()) if isinstance(value, os.PathLike) else json.dumps(value)


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    assert process.stderr is not None
    for line in process.stderr:
        yield line.decode(errors="replace").rstrip("\n")


def _event(line: str) -> dict[str, Any] | None:
    """The fields of a log line, which is also logged where it is for people; nothing for other lines."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
        fields, level = event["fields"], event["level"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(fields, dict):
        return None
    if "work_dir" not in fields and "stage" not in fields:
        _log.log({"ERROR": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}.get(level, logging.DEBUG), "%s", fields.get("message", ""))
    return fields


def _interrupt(process: "subprocess.Popen[bytes]", lines: Iterator[str]) -> None:
    """Lets the executable store what is done, and waits for it. A second Ctrl-C ends it at once."""
    process.send_signal(signal.SIGINT)
    try:
        for _ in lines:
            pass
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise


class Run:
    """What a finished run left in its work directory."""

    work_dir: Path
    """The work directory."""
    classes: list[str]
    """The class names by index."""
    exports: list[tuple[str, Path]]
    """The exporters and the files that they wrote."""
    statistics: Statistics
    """How many classes the images have."""
    evaluation: dict[str, Any] | None
    """The comparison with the truth, as in `evaluation.json`, where the dataset knows it."""

    def __init__(self, work_dir: str | os.PathLike[str]) -> None:
        """As `Run.open`."""
        self.work_dir = Path(work_dir)
        file = self.work_dir / "run.json"
        try:
            record = json.loads(file.read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.work_dir} is no work directory of a finished run: it has no run.json") from None
        if record.get("version") != 1:
            raise ValueError(f"{file} has version {record.get('version')}, not 1: install the convert_labels that belongs to it")
        self.classes = record["classes"]
        self.exports = [(export["plugin"], self.work_dir / export["file"]) for export in record["exports"]]
        figures = record["statistics"]
        self.statistics = Statistics(**figures | {"by_count": tuple(figures["by_count"])})
        self.evaluation = record.get("evaluation")
        self._dataset: dict[str, Any] = record["dataset"]

    @classmethod
    def open(cls, work_dir: str | os.PathLike[str]) -> "Run":
        """The run of a work directory, whoever started it.

        Raises:
            FileNotFoundError: no finished run.
            ValueError: one of another version.
        """
        return cls(work_dir)

    def __repr__(self) -> str:
        return f"Run({str(self.work_dir)!r})"

    def labels(self) -> pa.Table:
        """The labels, a row an image; see `read_labels`. From the first of `parquet`, `jsonl` and `multilabel-tsv` that the recipe exports.

        Raises:
            FileNotFoundError: the recipe exports none of them, or the file is gone.
        """
        return read_labels(self._file("parquet", "jsonl", "multilabel-tsv"))

    def regions(self) -> pa.Table:
        """The masks, a row a mask; see `read_regions`. From the first of `parquet`, `jsonl` and `coco` that the recipe exports.

        Raises:
            FileNotFoundError: the recipe exports none of them, or the file is gone.
        """
        return read_regions(self._file("parquet", "jsonl", "coco"))

    def errors(self) -> list[dict[str, Any]]:
        """The samples that were skipped: `id`, `stage`, `kind` and `reason` of each."""
        file = self.work_dir / "errors.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []

    @property
    def root(self) -> Path | None:
        """The folder that the ids are relative to, where the dataset has images in a folder."""
        root = self._dataset["config"].get("root")
        return None if root is None else Path(root)

    def to_fiftyone(self, limit: int | None = None, *, root: str | os.PathLike[str] | None = None, name: str | None = None) -> "fiftyone.Dataset":
        """A dataset of FiftyOne: `ground_truth` (the single label), `labels` (Classifications) and `regions` (Detections with masks).

        Args:
            limit: So many images, evenly spread; all by default.
            root: The folder that the ids are relative to; by default that of the recipe's dataset.
            name: The dataset's name in FiftyOne; by default one of FiftyOne's own.

        Raises:
            ImportError: FiftyOne is not installed.
            ValueError: the run's images lie in no folder, and no `root` is given.
        """
        from convert_labels._fiftyone import dataset

        folder = self.root if root is None else Path(root)
        if folder is None:
            raise ValueError(f"the dataset {self._dataset['plugin']} has no folder of images: give root")
        return dataset(self.labels(), self.regions(), self.classes, folder, limit, name)

    def _file(self, *exporters: str) -> Path:
        for exporter in exporters:
            for plugin, file in self.exports:
                if plugin == exporter:
                    return file
        names = f"{', '.join(exporters[:-1])} or {exporters[-1]}"
        raise FileNotFoundError(f"the run in {self.work_dir} exported neither {names}: add one under `export:` of its recipe, and run it again")

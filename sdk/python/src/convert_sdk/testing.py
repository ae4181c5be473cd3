"""Whether a plugin keeps to what its role promises: on images of many shapes, called as the host calls it.

    python -m convert_sdk.testing sharp_edges.py:SharpEdges --config '{"width": 3}'

or in a test of your own

    from convert_sdk.testing import check
    check(SharpEdges, {"width": 3})

A class in the file that is run needs no weights to be imported, but those of its `setup`. Each check is one line; a failed one says what was found.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from . import _checks, _schema
from ._bench import Bench
from ._config import ConfigError, read
from ._roles import Plugin
from .worker import load, role_of


@dataclass
class Result:
    """A check, and what was wrong; nothing if it passed."""

    name: str
    problem: str | None

    def __str__(self) -> str:
        return f"ok      {self.name}" if self.problem is None else f"FAILED  {self.name}: {self.problem}"


def results(plugin: type[Plugin], config: dict[str, Any] | None = None, classes: Sequence[str] = ("apple", "pear", "plum")) -> Iterator[Result]:
    """Makes all checks of the class's role, one after the other. `classes` are what a dataset would say."""
    config = config or {}
    yield _result("its config has a schema, and is what the schema's defaults say", lambda: _config(plugin, config))
    with tempfile.TemporaryDirectory() as folder:
        made: list[Bench] = []
        built = _result("it can be built", lambda: made.append(Bench(plugin, config, classes, Path(folder))))
        yield built
        if built.problem is not None:
            return
        printed = io.StringIO()
        for name, problem in _checks.OF_ROLE[role_of(plugin)](made[0]):
            with contextlib.redirect_stdout(printed):
                result = _result(name, problem)
            yield result
        yield _result("it prints nothing: `self.context.log` is for what it has to say", lambda: _nothing(printed.getvalue()))


def check(plugin: type[Plugin], config: dict[str, Any] | None = None, classes: Sequence[str] = ("apple", "pear", "plum")) -> None:
    """Makes all checks of the class's role.

    Raises `AssertionError` with every check that failed.
    """
    failed = [str(result) for result in results(plugin, config, classes) if result.problem is not None]
    if failed:
        raise AssertionError("\n".join([f"{plugin.__name__} does not keep to its role:", *failed]))


def _result(name: str, what: Callable[[], None]) -> Result:
    try:
        what()
    except _checks.Broken as problem:
        return Result(name, str(problem))
    except Exception as error:  # whatever a plugin raises is its answer
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "convert_sdk" not in frame.filename]
        place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
        return Result(name, f"{type(error).__name__}: {error}{place}")
    return Result(name, None)


def _config(plugin: type[Plugin], config: dict[str, Any]) -> None:
    schema = _schema.of(plugin.Config)
    json.dumps(schema, allow_nan=False)
    if plugin.Config is None:
        return
    json.dumps(config, allow_nan=False)
    defaults = {key: value["default"] for key, value in schema.get("properties", {}).items() if "default" in value}
    given, filled = read(plugin.Config, config), read(plugin.Config, {**defaults, **config})
    if given != filled:
        raise _checks.Broken(f"the defaults of its schema make another config, {filled}, than it has by itself, {given}")


def _nothing(printed: str) -> None:
    if printed:
        raise _checks.Broken(f"it printed {len(printed.splitlines())} lines, the first of them {printed.splitlines()[0]!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a check failed, 2 if there was nothing to check."""
    parser = argparse.ArgumentParser(prog="python -m convert_sdk.testing", description="Checks that a plugin keeps to what its role promises.")
    parser.add_argument("entry", metavar="FILE.py:CLASS", help="the class, or package.module:CLASS")
    parser.add_argument("--config", default="{}", metavar="JSON", help="its config, as in a recipe")
    parser.add_argument("--classes", default="apple,pear,plum", metavar="NAME,NAME", help="the dataset's class names")
    options = parser.parse_args(arguments)
    try:
        plugin, config = load(options.entry), json.loads(options.config)
    except (ConfigError, ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for result in results(plugin, config, options.classes.split(",")):
        print(result, flush=True)
        failed += result.problem is not None
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

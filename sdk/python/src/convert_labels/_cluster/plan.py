"""What `convert plan --json` says (docs/formats.md), as far as a scheduler needs it."""

import json
from dataclasses import dataclass
from typing import Any

VERSION = 2


@dataclass(frozen=True)
class Step:
    """A step of a run: one stage."""

    name: str
    key: str
    reads: tuple[str, ...]
    """The names of the steps that it reads."""
    segment: int | None
    """Steps with one number run in one pass over a shard; nothing for steps on the whole set, such as a training."""
    to_do: tuple[int, ...]
    """Shards that are not there yet; none for steps on the whole set."""
    done: bool
    """Whether nothing is left to do."""
    plugin: dict[str, str] | None = None
    """`name` and `version` of the plugin that does it; nothing where the host does the work."""
    flops: int = 0
    """Operations for an image; of a training, all its passes together. 0 where nothing is known."""


@dataclass(frozen=True)
class Plan:
    """A run's steps in the order of one machine, without those that only `convert stage` runs and without exports, which the run's last part writes."""

    recipe: str
    work_dir: str
    samples: int
    samples_key: str
    shard_size: int
    shards: int
    steps: tuple[Step, ...]

    def images(self, shard: int) -> int:
        """How many samples a shard has."""
        return min(self.shard_size, self.samples - shard * self.shard_size)

    @classmethod
    def parse(cls, text: str | bytes) -> "Plan":
        """Reads the answer.

        Raises:
            ValueError: an answer of another form or version.
        """
        plan = json.loads(text)
        if plan.get("version") != VERSION:
            raise ValueError(f"the plan has version {plan.get('version')}, not {VERSION}: take the convert_labels that belongs to this convert")
        try:
            steps = tuple(_step(step) for step in plan["steps"] if not step["on_demand"] and not _export(step))
            return cls(
                recipe=plan["recipe"],
                work_dir=plan["work_dir"],
                samples=plan["samples"],
                samples_key=plan["samples_key"],
                shard_size=plan["shard_size"],
                shards=plan["shards"],
                steps=steps,
            )
        except KeyError as error:
            raise ValueError(f"the plan lacks {error}") from None


def _export(step: dict[str, Any]) -> bool:
    return step["kind"] == "whole-set" and "done" not in step


def _step(step: dict[str, Any]) -> Step:
    plugin = step.get("plugin")
    return Step(
        name=step["name"],
        key=step["key"],
        reads=tuple(step["reads"]),
        segment=step.get("segment"),
        to_do=tuple(step["shards"]["to_do"]) if "shards" in step else (),
        done=step["done"],
        plugin={"name": plugin["name"], "version": plugin["version"]} if plugin else None,
        flops=step.get("cost", {}).get("flops", 0),
    )

"""Bars on a terminal, plain lines elsewhere: as a run on one machine shows them, with nodes, actors and failures beside."""

import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TextIO

from convert_labels._cluster.plan import Plan
from convert_labels._cluster.schedule import Scheduler, Unit

PLAIN_INTERVAL, BAR_INTERVAL = 10.0, 0.5


@dataclass
class _Part:
    """A segment or a step on the whole set."""

    name: str
    total: int
    cached: int
    done: int
    began: float | None = None
    ended: bool = False


@dataclass(frozen=True)
class Crew:
    """Who works."""

    nodes: int
    actors: int
    working: int
    starting: int
    failures: int

    def __str__(self) -> str:
        starting = f", {self.starting} not there yet" if self.starting else ""
        return f"{_count(self.nodes, 'node')}, {_count(self.actors, 'actor')} ({self.working} at work{starting}), {_count(self.failures, 'failure')}"


class Progress:
    """How far a run is."""

    def __init__(self, plan: Plan, scheduler: Scheduler, out: TextIO = sys.stderr) -> None:
        """Counts what the plan says is done."""
        self._out, self._bars = out, out.isatty()
        self._parts: dict[object, _Part] = {}
        self._drawn = 0
        self._last = time.monotonic()
        waiting: dict[object, int] = defaultdict(int)
        names: dict[object, list[str]] = defaultdict(list)
        for unit in scheduler.units:
            waiting[_part_of(unit)] += unit.images
            names[_part_of(unit)] += [stage for stage in unit.stages if stage not in names[_part_of(unit)]]
        for part, images in waiting.items():
            stages = names[part]
            name = stages[0] if len(stages) == 1 else f"{stages[0]} … {stages[-1]}"
            self._parts[part] = _Part(name, plan.samples, plan.samples - images, plan.samples - images)

    def begins(self, unit: Unit) -> None:
        """A unit was handed out."""
        part = self._parts[_part_of(unit)]
        if part.began is None:
            part.began = time.monotonic()

    def ends(self, unit: Unit) -> None:
        """A unit is done."""
        part = self._parts[_part_of(unit)]
        part.done += unit.images
        if part.done >= part.total and not part.ended:
            part.ended = True
            seconds = time.monotonic() - (part.began or time.monotonic())
            self.say(f"{part.name}: done, {part.total - part.cached} in {seconds:.1f} s")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        print(text, file=self._out, flush=True)

    def show(self, crew: Crew, partly: dict[Unit, float]) -> None:
        """Shows how far it is, now and then. `partly` says which share of a unit in work is done."""
        now = time.monotonic()
        if now - self._last < (BAR_INTERVAL if self._bars else PLAIN_INTERVAL):
            return
        self._last = now
        shares: dict[object, float] = defaultdict(float)
        for unit, share in partly.items():
            shares[_part_of(unit)] += share * unit.images
        lines = []
        for at, part in self._parts.items():
            if part.began is not None and not part.ended:
                done = min(part.done + int(shares[at]), part.total)
                rate = (done - part.cached) / max(now - part.began, 1e-9)
                left = (part.total - done) / rate if rate > 0 else None
                lines.append(self._bar(part, done, rate, left) if self._bars else _plain(part, done, rate, left))
        if self._bars:
            self._clear()
            lines.append(str(crew))
            width = os.get_terminal_size(self._out.fileno()).columns
            print("\n".join(line[:width] for line in lines), file=self._out, flush=True)
            self._drawn = len(lines)
        else:
            for line in lines or ["waiting"]:
                print(f"{line}; {crew}", file=self._out, flush=True)

    def end(self) -> None:
        """Takes the bars away."""
        self._clear()

    def _clear(self) -> None:
        if self._drawn:
            # Up to the first bar, and everything below away.
            print(f"\x1b[{self._drawn}A\x1b[0J", end="", file=self._out, flush=True)
            self._drawn = 0

    def _bar(self, part: _Part, done: int, rate: float, left: float | None) -> str:
        full = round(20 * done / max(part.total, 1))
        return f"{part.name[:30]:30} {'━' * full}{'╌' * (20 - full)} {f'{done}/{part.total}':>15} {f'{_rate(rate)}/s':>8} ETA {_short(left):>3}"


def _part_of(unit: Unit) -> object:
    return unit.stages[0] if unit.segment is None else unit.segment


def _plain(part: _Part, done: int, rate: float, left: float | None) -> str:
    return f"{part.name}: {done}/{part.total}, {_rate(rate)}/s, " + ("time unknown" if left is None else f"about {_long(left)} left")


def _rate(per_second: float) -> str:
    """Three digits."""
    decimals = 3 if per_second < 0.9995 else 2 if per_second < 9.995 else 1 if per_second < 99.95 else 0
    return f"{per_second:.{decimals}f}"


def _short(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.0f}s" if seconds < 90 else f"{seconds / 60:.0f}m" if seconds < 5400 else f"{seconds / 3600:.0f}h"


def _long(seconds: float) -> str:
    if seconds < 90:
        return _count(round(seconds), "second")
    return _count(round(seconds / 60), "minute") if seconds < 5400 else _count(round(seconds / 3600), "hour")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

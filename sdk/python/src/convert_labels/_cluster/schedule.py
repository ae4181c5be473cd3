"""What is handed out when. Knows neither Ray nor the time of day: it is told what happened, and when, and answers what to do next.

A *unit* is what is handed out at once: some shards of a segment with the stages that they lack, or one step on the whole set. A unit is ready when all that it
reads is there: shards wait for their own shards alone, a training for all shards of what it reads, and what reads a training for its end.

At most two actors ever work on one unit at the same time, and nothing is handed out after its first answer; so no shard is computed more than twice, whatever
is slow or lost.
"""

import heapq
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from convert_labels._cluster.plan import Plan

DONE, TRANSIENT, FAILED, PREEMPTED = "done", "transient", "failed", "preempted"
"""What an answer of a worker can be."""

FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds before a unit that failed is handed out again; twice as long after each further failure, up to the longest."""
ELSEWHERE = 30.0
"""For so long a unit that failed waits for another actor than the one that it failed on."""
NO_FAULT = 300.0
"""An actor that is lost after so many seconds of one unit was not lost because of it: a long training may outlive many nodes."""
PATIENCE = 1.3
"""An idle actor takes a unit over as a second one when the first has taken so many times what such units usually take,"""
TOLD_AFTER, TOO_LONG = 0.5, 1.1
"""or, after the first of these shares of the usual time, when what its progress says is left is more than the second of them."""
KNOWN_AFTER = 5
"""What units usually take is known after so many of a segment."""


@dataclass(eq=False)
class Unit:
    """What is handed out at once."""

    id: int
    stages: tuple[str, ...]
    shards: tuple[int, ...]
    """Empty for a step on the whole set."""
    segment: int | None
    images: int
    blocks: list["Unit"] = field(default_factory=list)
    """What waits for this one."""
    waits_for: int = 0
    """How many units are still missing before this one can begin."""
    done: bool = False
    at: dict[str, float] = field(default_factory=dict)
    """The actors that work on it, and since when."""
    left_until: float | None = None
    """When the only actor that works on it is likely to be through, by its progress."""
    failures: int = 0
    not_before: float = 0.0
    avoid: str | None = None
    """The actor that it failed on last."""

    @property
    def name(self) -> str:
        """Stages and shards, for dashboards and messages."""
        stages = self.stages[0] if len(self.stages) == 1 else f"{self.stages[0]} … {self.stages[-1]}"
        if not self.shards:
            return stages
        return f"{stages}, shard {'-'.join(str(shard) for shard in dict.fromkeys((self.shards[0], self.shards[-1])))}"


@dataclass(frozen=True)
class Failure:
    """Why a run cannot go on."""

    code: int
    """The exit code: 1 where another try may help, 2 where none will."""
    message: str


class Scheduler:
    """The state of a run: units, and the actors that are there."""

    def __init__(self, plan: Plan, *, shards_per_task: int = 1, retries: int = 5) -> None:
        """Everything that the plan says is left to do.

        Args:
            plan: The plan.
            shards_per_task: How many shards are handed out at once.
            retries: How often a unit may fail or get lost before the run stops.
        """
        self.plan = plan
        self.units = _units(plan, shards_per_task)
        self.failure: Failure | None = None
        self._retries = retries
        self._ready: list[tuple[tuple[int, int], Unit]] = []
        self._working: dict[str, Unit | None] = {}
        self._bad: dict[str, tuple[int, float]] = {}
        self._took: dict[int, list[float]] = defaultdict(list)
        self._slow: dict[str, list[float]] = defaultdict(list)
        self._left = len(self.units)
        for unit in self.units:
            if unit.waits_for == 0:
                self._put(unit)

    @property
    def finished(self) -> bool:
        """Whether all units are done."""
        return self._left == 0

    @property
    def only_whole(self) -> bool:
        """Whether all that can be done now is in work, and works on the whole set: other actors wait for its end."""
        return not self._ready and bool(self.working) and all(not unit.shards for unit in self.working.values())

    @property
    def actors(self) -> int:
        """How many actors are there."""
        return len(self._working)

    @property
    def working(self) -> dict[str, Unit]:
        """What each actor works on."""
        return {actor: unit for actor, unit in self._working.items() if unit is not None}

    def joined(self, actor: str) -> None:
        """An actor is ready for work. Names are not used again."""
        self._working[actor] = None

    def hand_out(self, now: float) -> list[tuple[str, Unit]]:
        """What idle actors are to do from now on."""
        handed: list[tuple[str, Unit]] = []
        if self.failure is not None:
            return handed
        idle = [actor for actor, unit in self._working.items() if unit is None and self._bad.get(actor, (0, 0.0))[1] <= now]
        # The fastest first: a training should not land on a slow machine.
        for actor in sorted(idle, key=self._slowness):
            unit = self._take(actor, now) or self._overdue(now)
            if unit is not None:
                unit.at[actor], unit.left_until = now, None
                self._working[actor] = unit
                handed.append((actor, unit))
        return handed

    def progressed(self, actor: str, share: float, now: float) -> None:
        """So much of what an actor works on is done."""
        unit = self._working.get(actor)
        if unit is not None and share > 0:
            unit.left_until = now + (now - unit.at[actor]) * (1 - share) / share

    def answered(self, actor: str, outcome: str, now: float, error: str = "") -> None:
        """An actor's work has ended, one way or the other."""
        unit = self._working[actor]
        if unit is None:
            raise ValueError(f"{actor} answers, but has nothing to do")
        self._working[actor] = None
        began = unit.at.pop(actor)
        if unit.done:
            return
        if outcome == DONE:
            self._bad.pop(actor, None)
            self._finish(unit, actor, now - began)
        elif outcome == FAILED:
            self._fail(2, f"{unit.name}: {error}")
        elif outcome == PREEMPTED:
            self._again(unit)
        else:
            times = self._bad.get(actor, (0, 0.0))[0] + 1
            # The first failure may be the unit's; an actor that goes on failing makes way for the others.
            self._bad[actor] = (times, now + (_wait(times - 1) if times > 1 else 0.0))
            self._failed_once(unit, actor, now, error)

    def left(self, actor: str, now: float, why: str = "") -> None:
        """An actor is gone, and with it what it worked on."""
        unit = self._working.pop(actor, None)
        self._bad.pop(actor, None)
        if unit is not None:
            began = unit.at.pop(actor)
            if not unit.done and now - began > NO_FAULT:
                unit.failures = 0
                self._again(unit)
            elif not unit.done:
                self._failed_once(unit, actor, now, why or "its actor was lost")

    def wake_at(self, now: float) -> float | None:
        """When an idle actor that gets nothing now may get something without any event."""
        times = [time for _, unit in self._ready for time in (unit.not_before, unit.not_before + ELSEWHERE)]
        times += [until for _, until in self._bad.values()]
        times += [time for unit in self.working.values() if (time := self._overdue_at(unit)) is not None]
        if self._ready:
            times += [time + 1 for actor, unit in self.working.items() if (time := self._ends_at(actor, unit)) is not None]
        return min((time for time in times if time > now), default=None)

    def _put(self, unit: Unit) -> None:
        # What holds up most goes first: trainings, then earlier segments.
        order = (-1, unit.id) if not unit.shards else (unit.segment or 0, unit.id)
        heapq.heappush(self._ready, (order, unit))

    def _take(self, actor: str, now: float) -> Unit | None:
        aside = []
        found = None
        while self._ready and found is None:
            order, unit = heapq.heappop(self._ready)
            elsewhere = unit.avoid == actor and len(self._working) > 1 and now < unit.not_before + ELSEWHERE
            if unit.not_before > now or elsewhere:
                aside.append((order, unit))
            elif self._better_left(unit, 1 + len(self._ready) + len(aside), actor, now):
                aside.append((order, unit))
                break
            else:
                found = unit
        for entry in aside:
            heapq.heappush(self._ready, entry)
        return found

    def _slowness(self, actor: str) -> float:
        """How many times the usual time an actor takes."""
        known = self._slow[actor]
        return known[len(known) // 2] if known else 1.0

    def _usual(self, unit: Unit) -> float | None:
        """The seconds that a unit usually takes, once enough are known."""
        took = self._took[unit.segment] if unit.segment is not None else []
        return took[len(took) // 2] * unit.images if len(took) >= KNOWN_AFTER else None

    def _ends_at(self, actor: str, unit: Unit) -> float | None:
        """When an actor is likely to be through with what it works on."""
        usual = self._usual(unit)
        return None if usual is None else unit.at[actor] + usual * self._slowness(actor)

    def _better_left(self, unit: Unit, left: int, actor: str, now: float) -> bool:
        """Whether each of the units that are left would be done earlier by an actor that is soon free than by this one now."""
        usual = self._usual(unit)
        if usual is None or left >= len(self._working):
            return False
        here = now + usual * self._slowness(actor)
        ends = ((other, self._ends_at(other, unit)) for other, unit in self.working.items())
        return sum(end is not None and now <= end and end + usual * self._slowness(other) < here for other, end in ends) >= left

    def _overdue_at(self, unit: Unit) -> float | None:
        """When a second actor may take a unit that one works on."""
        usual = self._usual(unit)
        if unit.done or len(unit.at) != 1 or usual is None:
            return None
        [began] = unit.at.values()
        told = began + TOLD_AFTER * usual
        # A second one begun now would be the first to end.
        if unit.left_until is not None and unit.left_until > told + TOO_LONG * usual:
            return told
        return began + PATIENCE * usual

    def _overdue(self, now: float) -> Unit | None:
        due = [(time, unit.id, unit) for unit in self.working.values() if (time := self._overdue_at(unit)) is not None and time <= now]
        return min(due)[2] if due else None

    def _finish(self, unit: Unit, actor: str, seconds: float) -> None:
        unit.done = True
        self._left -= 1
        if unit.segment is not None:
            usual = self._usual(unit)
            if usual:
                insort(self._slow[actor], seconds / usual)
            insort(self._took[unit.segment], seconds / max(unit.images, 1))
        for waiting in unit.blocks:
            waiting.waits_for -= 1
            if waiting.waits_for == 0:
                self._put(waiting)

    def _failed_once(self, unit: Unit, actor: str, now: float, error: str) -> None:
        unit.failures += 1
        if unit.failures > self._retries:
            return self._fail(1, f"{unit.name}: given up after {unit.failures} tries; the last: {error}")
        unit.not_before, unit.avoid = now + _wait(unit.failures - 1), actor
        self._again(unit)

    def _again(self, unit: Unit) -> None:
        # Another actor may still be at it.
        if not unit.at:
            self._put(unit)

    def _fail(self, code: int, message: str) -> None:
        if self.failure is None:
            self.failure = Failure(code, message)


def _wait(times: int) -> float:
    return float(min(FIRST_WAIT * 2**times, LONGEST_WAIT))


def _units(plan: Plan, shards_per_task: int) -> list[Unit]:
    """The plan as units that know what waits for them."""
    steps = {step.name: step for step in plan.steps}
    units: list[Unit] = []
    whole: dict[str, Unit] = {}
    of_stage: dict[str, dict[int, Unit]] = defaultdict(dict)
    for segment, members in groupby(plan.steps, key=lambda step: step.segment if step.segment is not None else step.name):
        stages = list(members)
        if not isinstance(segment, int):
            if not stages[0].done:
                unit = Unit(len(units), (stages[0].name,), (), None, plan.samples)
                units.append(unit)
                whole[stages[0].name] = unit
                reads = stages[0].reads
                _wait_for(unit, [whole[read] for read in reads if read in whole] + [other for read in reads for other in of_stage[read].values()])
            continue
        missing: dict[int, list[str]] = defaultdict(list)
        for step in stages:
            for shard in step.to_do:
                missing[shard].append(step.name)
        for names, alike in groupby(sorted(missing), key=lambda shard: missing[shard]):
            shards = list(alike)
            for first in range(0, len(shards), shards_per_task):
                part = tuple(shards[first : first + shards_per_task])
                unit = Unit(len(units), tuple(names), part, segment, sum(plan.images(shard) for shard in part))
                units.append(unit)
                reads = tuple(read for name in names for read in steps[name].reads if read not in names)
                shardwise = [of_stage[read][shard] for read in reads for shard in part if shard in of_stage[read]]
                _wait_for(unit, [whole[read] for read in reads if read in whole] + shardwise)
        # Only now: within a segment a unit waits for nothing.
        for unit in units:
            if unit.segment == segment:
                for name in unit.stages:
                    of_stage[name].update(dict.fromkeys(unit.shards, unit))
    return units


def _wait_for(unit: Unit, others: Iterable[Unit]) -> None:
    for other in dict.fromkeys(others):
        other.blocks.append(unit)
        unit.waits_for += 1

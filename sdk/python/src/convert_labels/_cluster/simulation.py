"""A run under a clock of its own: the scheduler of a real run, actors that only take their time, nodes that fail.

Times come from a file (`imagenet-times.json`, with the source of each), chance from a seed. What is assumed of machines stands in `Assumptions`.
"""

import heapq
import itertools
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert_labels._cluster import schedule
from convert_labels._cluster.plan import Plan, Step
from convert_labels._cluster.schedule import Scheduler, Unit

IMAGENET = Path(__file__).with_name("imagenet-times.json")


@dataclass(frozen=True)
class Assumptions:
    """What is simulated."""

    gpus: int = 64
    """Actors, one a GPU."""
    gpus_per_node: int = 1
    """A node that fails takes so many actors with it."""
    failures_per_hour: float = 0.02
    """Of each node."""
    away: float = 300.0
    """Seconds until a failed node, or another in its place, is back."""
    start: float = 20.0
    """Seconds from an actor's begin until it is ready: the process, opening the dataset."""
    node_spread: float = 0.03
    """No node is faster than the times say: each takes 1 + |a normal number of this deviation| times as long."""
    slow_share: float = 0.05
    """Share of nodes that are slow throughout."""
    slow: float = 1.5
    """So many times as long such a node takes."""
    spread: float = 0.1
    """Deviation of the logarithm of a shard's time, whose mean is that of the times."""
    stuck_share: float = 0.005
    """Share of shards that take much longer than they should."""
    stuck: float = 4.0
    """So many times as long."""
    look_every: float = 5.0
    """Seconds between looks at how far actors are, while one is idle."""
    training_resumes: bool = True
    """Whether a training that was lost goes on where it was, as in a shared folder; else it begins anew."""
    seed: int = 0


@dataclass
class Report:
    """What came of it. Times in seconds; of `gpu_seconds` those of all actors together."""

    gpus: int
    ideal: float
    """All work shared out evenly among actors that never wait, load or fail, with each training on one of them."""
    took: float
    ideal_training: float
    """The part of `ideal` that is training, which one actor does while the others wait."""
    took_training: float
    """From its begin to its end. Where shards are computed meanwhile, as with own label maps, both count."""
    shards: int
    computed: dict[int, int]
    """How many units were computed so many times."""
    lost_nodes: int
    gpu_seconds: dict[str, float]
    """What the actors' time went into."""

    @property
    def ratio(self) -> float:
        """Of the whole run."""
        return self.took / self.ideal

    @property
    def ratio_of_shards(self) -> float:
        """Without the training, beside which everything else would look small."""
        return (self.took - self.took_training) / (self.ideal - self.ideal_training)

    def lines(self) -> Iterator[str]:
        """For people."""
        shards, ideal = self.took - self.took_training, self.ideal - self.ideal_training
        yield f"whole run:      ideal {_time(self.ideal)}, simulated {_time(self.took)}, ratio {self.ratio:.3f}"
        yield f"shards alone:   ideal {_time(ideal)}, simulated {_time(shards)}, ratio {self.ratio_of_shards:.3f}"
        if self.ideal_training:
            yield f"training alone: ideal {_time(self.ideal_training)}, simulated {_time(self.took_training)}, on one GPU while the others wait"
        twice = sum(count for times, count in self.computed.items() if times > 1)
        yield f"pieces of work: {sum(self.computed.values())}, computed twice: {twice}, nodes lost: {self.lost_nodes}"
        yield "GPU hours, without the training:"
        for cause, seconds in self.gpu_seconds.items():
            yield f"  {cause:34} {seconds / 3600:8.2f}  {seconds / (ideal * self.gpus):6.1%} of the ideal"


@dataclass
class _Actor:
    name: str
    node: int
    speed: float
    loaded: int | None = None
    """The segment whose models it holds."""
    idle_since: float | None = None
    until: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    """What the unit in work is made of."""
    began: float = 0.0


@dataclass(frozen=True)
class Times:
    """What the stages cost."""

    seconds: dict[str, float]
    """Of an image, by stage."""
    load: dict[str, float]
    """Seconds to load a stage's models."""

    @classmethod
    def read(cls, file: Path) -> "tuple[Times, dict[str, Any]]":
        """A file of the form of `imagenet-times.json`, and all that it says."""
        said = json.loads(file.read_bytes())
        # Device and cores overlap within a segment, not within a stage: what a segment takes is shared out among its stages by what they ask for.
        device: dict[object, float] = defaultdict(float)
        cores: dict[object, float] = defaultdict(float)
        for stage in said["stages"]:
            at = stage["name"] if stage["segment"] is None else stage["segment"]
            device[at] += stage["device"]
            cores[at] += stage["cores"] / said["cores_per_worker"]
        seconds = {}
        for stage in said["stages"]:
            at = stage["name"] if stage["segment"] is None else stage["segment"]
            bound = stage["device"] if device[at] >= cores[at] else stage["cores"] / said["cores_per_worker"]
            seconds[stage["name"]] = bound
        load = {stage["name"]: stage["load_bytes"] / said["load_bytes_per_second"] for stage in said["stages"]}
        return cls(seconds, load), said


def imagenet(said: dict[str, Any], shards: int) -> Plan:
    """The plan of `recipes/imagenet.yaml` with so many shards, of which none is done."""
    images = said["images"]
    size = math.ceil(images / shards)
    count = math.ceil(images / size)
    steps = tuple(
        Step(
            name=stage["name"],
            key="",
            reads=tuple(stage["reads"]),
            segment=stage["segment"],
            to_do=tuple(range(count)) if stage["segment"] is not None else (),
            done=False,
        )
        for stage in said["stages"]
    )
    return Plan("imagenet", "", images, "", size, count, steps)


def simulate(plan: Plan, times: Times, assumptions: Assumptions, *, shards_per_task: int = 1) -> Report:
    """Runs a plan to its end.

    Raises:
        ValueError: a stage whose time is not known.
        RuntimeError: the scheduler gave up, or handed nothing out though work was left.
    """
    return _Simulation(plan, times, assumptions, shards_per_task).run()


class _Simulation:
    def __init__(self, plan: Plan, times: Times, assumptions: Assumptions, shards_per_task: int) -> None:
        unknown = [step.name for step in plan.steps if step.name not in times.seconds]
        if unknown:
            raise ValueError(f"the times lack {', '.join(unknown)}")
        self.times, self.assume = times, assumptions
        self.scheduler = Scheduler(plan, shards_per_task=shards_per_task)
        self.chance = random.Random(assumptions.seed)
        self.events: list[tuple[float, int, str, Any]] = []
        self.order = itertools.count()
        self.now = 0.0
        self.actors: dict[str, _Actor] = {}
        self.names = itertools.count()
        self.nodes = math.ceil(assumptions.gpus / assumptions.gpus_per_node)
        self.spent: dict[str, float] = defaultdict(float)
        self.computed: dict[int, int] = defaultdict(int)
        self.trained: dict[int, float] = defaultdict(float)
        self.training: float | None = None
        self.took_training = 0.0
        self.lost_nodes = 0
        self.look: float | None = None

    def run(self) -> Report:
        for node in range(self.nodes):
            self._begin(node)
        while not self.scheduler.finished:
            if not self.events:
                raise RuntimeError("nothing is in work, and work is left")
            self.now, _, what, about = heapq.heappop(self.events)
            getattr(self, f"_{what}")(about)
            if self.scheduler.failure is not None:
                raise RuntimeError(self.scheduler.failure.message)
            self._hand_out()
        for actor in self.actors.values():
            self._idle_ends(actor)
        return self._report()

    def _at(self, time: float, what: str, about: object) -> None:
        heapq.heappush(self.events, (time, next(self.order), what, about))

    def _begin(self, node: int) -> None:
        """A node, new or back, with its actors."""
        assume = self.assume
        slow = assume.slow if self.chance.random() < assume.slow_share else 1.0
        speed = slow * (1 + abs(self.chance.gauss(0, assume.node_spread)))
        for _ in range(min(assume.gpus_per_node, assume.gpus - node * assume.gpus_per_node)):
            actor = _Actor(str(next(self.names)), node, speed)
            self._at(self.now + assume.start, "joins", actor)
            self._spend("starting processes", self.now, self.now + assume.start)
        if assume.failures_per_hour:
            self._at(self.now + self.chance.expovariate(assume.failures_per_hour / 3600), "fails", node)

    def _joins(self, actor: _Actor) -> None:
        self.actors[actor.name] = actor
        actor.idle_since = self.now
        self.scheduler.joined(actor.name)

    def _fails(self, node: int) -> None:
        self.lost_nodes += 1
        # Actors of the node that have not joined yet come back with it.
        self.events = [event for event in self.events if not (event[2] == "joins" and event[3].node == node)]
        heapq.heapify(self.events)
        for actor in [actor for actor in self.actors.values() if actor.node == node]:
            del self.actors[actor.name]
            unit = self.scheduler.working.get(actor.name)
            if unit is None:
                self._idle_ends(actor)
            elif unit.shards:
                self._spend("work that was lost", actor.began, self.now)
            elif self.assume.training_resumes:
                self.trained[unit.id] += max(self.now - actor.began - actor.parts["loading models"], 0.0) / actor.speed
            self.scheduler.left(actor.name, self.now, "its node failed")
        for _ in range(self.assume.gpus_per_node):
            self._spend("nodes away", self.now, self.now + self.assume.away)
        self._at(self.now + self.assume.away, "begin", node)

    def _ends(self, about: tuple[str, Unit]) -> None:
        name, unit = about
        actor = self.actors.get(name)
        if actor is None:
            return
        again = unit.done
        for cause, seconds in actor.parts.items():
            if unit.shards:
                self.spent["computed a second time" if again else cause] += seconds
        self.computed[unit.id] += 1
        self.scheduler.answered(name, schedule.DONE, self.now)
        actor.idle_since = self.now
        if not unit.shards and self.training is not None:
            self.took_training += self.now - self.training
            self.training = None
            for other in self.actors.values():
                if other.idle_since is not None:
                    other.idle_since = self.now

    def _look(self, about: None) -> None:
        """Only time has passed."""
        self.look = None

    def _tell_progress(self) -> None:
        """Actors tell how far they are, which is as far as their time is spent once models are loaded."""
        for name in self.scheduler.working:
            actor = self.actors[name]
            worked = self.now - actor.began - actor.parts["loading models"]
            takes = actor.parts["useful"] + actor.parts["slow nodes and shards"]
            self.scheduler.progressed(name, min(max(worked / takes, 0.0), 1.0), self.now)

    def _hand_out(self) -> None:
        idle = any(actor.idle_since is not None for actor in self.actors.values())
        if idle:
            self._tell_progress()
        for name, unit in self.scheduler.hand_out(self.now):
            self._idle_ends(self.actors[name])
            self._work(self.actors[name], unit)
        idle = any(actor.idle_since is not None for actor in self.actors.values())
        wakes = [] if (wake := self.scheduler.wake_at(self.now)) is None else [wake]
        if any(unit.shards for unit in self.scheduler.working.values()):
            wakes.append(self.now + self.assume.look_every)
        if idle and wakes and (self.look is None or self.look > min(wakes)):
            self.look = min(wakes)
            self._at(self.look, "look", None)

    def _work(self, actor: _Actor, unit: Unit) -> None:
        loading = 0.0 if actor.loaded == unit.segment and unit.segment is not None else sum(self.times.load[stage] for stage in unit.stages)
        actor.loaded = unit.segment
        usual = unit.images * sum(self.times.seconds[stage] for stage in unit.stages) - self.trained[unit.id]
        if not unit.shards:
            # The barrier counts from here, through whatever is lost of it.
            for other in self.actors.values():
                self._idle_ends(other, waits=True)
            self.training = self.now if self.training is None else self.training
        takes = usual * actor.speed * (self._luck() if unit.shards else 1.0)
        actor.parts = {"useful": usual, "loading models": loading, "slow nodes and shards": takes - usual}
        actor.began = self.now
        self._at(self.now + loading + takes, "ends", (actor.name, unit))

    def _luck(self) -> float:
        spread = self.assume.spread
        stuck = self.assume.stuck if self.chance.random() < self.assume.stuck_share else 1.0
        return stuck * math.exp(self.chance.gauss(-spread * spread / 2, spread))

    def _idle_ends(self, actor: _Actor, waits: bool = False) -> None:
        if actor.idle_since is not None:
            self._spend("waiting for the last shards", actor.idle_since, self.now)
        actor.idle_since = self.now if waits and actor.idle_since is not None else None

    def _spend(self, cause: str, since: float, until: float) -> None:
        # While it trains, the other actors' time is that of the training.
        if self.training is None:
            self.spent[cause] += until - since

    def _report(self) -> Report:
        assume, units = self.assume, self.scheduler.units
        cost = {unit.id: unit.images * sum(self.times.seconds[stage] for stage in unit.stages) for unit in units}
        training = sum(cost[unit.id] for unit in units if not unit.shards)
        shards = sum(cost[unit.id] for unit in units if unit.shards) / assume.gpus
        counts: dict[int, int] = defaultdict(int)
        for unit in units:
            counts[self.computed[unit.id]] += 1
        known = ["useful", "loading models", "starting processes", "slow nodes and shards", "waiting for the last shards"]
        known += ["work that was lost", "nodes away", "computed a second time"]
        return Report(
            gpus=assume.gpus,
            ideal=shards + training,
            took=self.now,
            ideal_training=training,
            took_training=self.took_training,
            shards=sum(bool(unit.shards) for unit in units),
            computed=dict(counts),
            lost_nodes=self.lost_nodes,
            gpu_seconds={cause: self.spent[cause] for cause in known},
        )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"

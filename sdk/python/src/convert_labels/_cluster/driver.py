"""The scheduler on Ray: actors that each own a worker, and a loop that tells the scheduler what happened."""

import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from convert_labels._cluster.journal import Journal
from convert_labels._cluster.plan import Plan
from convert_labels._cluster.progress import Crew, Progress
from convert_labels._cluster.schedule import DONE, FAILED, PREEMPTED, Failure, Scheduler, Unit
from convert_labels._cluster.worker import PATIENCE, Worker

TELL = "tell"
"""What is asked of an actor while it works."""
LOOK_EVERY = 2.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before an actor is asked for again in place of one that is gone; twice as long after each further time in a row, up to the longest."""


class Hand(Worker):
    """A worker as Ray's actor."""

    def where(self) -> tuple[str, str]:
        """Ray's name of its node, and the host's own."""
        return str(ray.get_runtime_context().get_node_id()), os.uname().nodename


@dataclass(frozen=True)
class Wanted:
    """What actors there should be."""

    actors: int
    cpus: float
    gpus: float
    arguments: tuple[str, ...]
    """Of `convert worker`."""
    variables: dict[str, str]
    """Environment variables for it."""


@dataclass
class _Slot:
    """A place for an actor. One that is gone is replaced by another."""

    number: int
    actor: Any = None
    name: str = ""
    node: str = ""
    host: str = ""
    ready: bool = False
    asked_again: int = 0
    """How often in a row, without any work done."""
    begin_at: float = 0.0
    idle_since: float | None = None
    let_go: bool = False
    """Until there is work for it again."""
    given_up: bool = False
    looked: float = 0.0
    looking: bool = False
    share: float = 0.0
    """Of the unit in work."""


class Interrupted(Exception):
    """Ctrl-C, or SIGTERM."""


@dataclass
class Driver:
    """One run of the scheduler on Ray's actors."""

    plan: Plan
    scheduler: Scheduler
    wanted: Wanted
    journal: Journal
    progress: Progress
    lead: Worker | None = None
    """Holds the run's lead; its end is that of the run."""
    retries: int = 5
    release_after: float | None = None
    """Seconds that an actor waits for a training before it is let go."""
    _slots: list[_Slot] = field(default_factory=list)
    _asked: dict[Any, tuple[str, _Slot, str]] = field(default_factory=dict)
    _failures: int = 0
    _error: str = ""
    _names: int = 0
    _interrupted: bool = False

    def run(self) -> Failure | None:
        """Works until all is done, or cannot be.

        Raises:
            Interrupted: the workers have kept what was done.
        """
        self._slots = [_Slot(number) for number in range(self.wanted.actors)]
        handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self.scheduler.finished and self.scheduler.failure is None and not self._interrupted:
                now = time.monotonic()
                self._let_go(now)
                for slot in self._slots:
                    if slot.actor is None and not slot.given_up and not slot.let_go and now >= slot.begin_at:
                        self._begin(slot)
                if all(slot.given_up for slot in self._slots):
                    return Failure(1, f"no worker could be started; the last: {self._error}")
                if self.lead is not None and self.lead.ended:
                    return Failure(1, str(self.lead.ready()["error"]) or "the run's lead was lost")
                self._hand_out(now)
                self._look(now)
                self._show()
                self._wait(0.5)
            if self._interrupted:
                raise Interrupted
            return self.scheduler.failure
        finally:
            self.progress.end()
            self._stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: object) -> None:
        if self._interrupted:
            # A second time: at once. The workers die with their actors, and these with this process.
            os._exit(130)
        self._interrupted = True

    def _begin(self, slot: _Slot) -> None:
        """Asks Ray for an actor. It comes when there is room for it; the others do not wait."""
        self._names += 1
        slot.name, slot.ready, slot.share, slot.looking = f"{self.plan.recipe}-{slot.number}-{self._names}", False, 0.0, False
        hand: Any = ray.remote(num_cpus=self.wanted.cpus, num_gpus=self.wanted.gpus, max_restarts=0, concurrency_groups={TELL: 2})(Hand)
        slot.actor = hand.options(name=slot.name).remote(self.wanted.arguments, self.wanted.variables, os.getcwd())
        self._ask("where", slot, slot.actor.where.options(name="joins").remote())
        self._ask("ready", slot, slot.actor.ready.options(name="begins").remote())

    def _let_go(self, now: float) -> None:
        """Gives back what would only wait for a training, so that a cluster can shrink, and asks for it again afterwards."""
        waiting = self.scheduler.only_whole
        working = self.scheduler.working
        for slot in self._slots:
            slot.let_go = slot.let_go and waiting
            if not waiting or not slot.ready or slot.name in working:
                slot.idle_since = None
                continue
            slot.idle_since = now if slot.idle_since is None else slot.idle_since
            if self.release_after is not None and now - slot.idle_since >= self.release_after:
                self.journal.write("released", actor=slot.name, node=slot.node, host=slot.host)
                self.scheduler.left(slot.name, now)
                ray.kill(slot.actor)
                slot.actor, slot.ready, slot.let_go = None, False, True

    def _ask(self, what: str, slot: _Slot, answer: Any) -> None:
        self._asked[answer] = (what, slot, slot.name)

    def _hand_out(self, now: float) -> None:
        of = {slot.name: slot for slot in self._slots}
        steps = {step.name: step for step in self.plan.steps}
        for name, unit in self.scheduler.hand_out(now):
            slot = of[name]
            request: dict[str, Any] = {"id": unit.id, "stages": list(unit.stages), "keys": {stage: steps[stage].key for stage in unit.stages}}
            request["plugins"] = {stage: plugin for stage in unit.stages if (plugin := steps[stage].plugin) is not None}
            if unit.shards:
                request["shards"] = list(unit.shards)
            slot.share, slot.looked = 0.0, now
            self.progress.begins(unit)
            self.journal.write("handed", unit=unit.name, actor=slot.name, node=slot.node, host=slot.host)
            self._ask("work", slot, slot.actor.work.options(name=unit.name).remote(request))

    def _look(self, now: float) -> None:
        """Asks actors at work how far they are."""
        of = {slot.name: slot for slot in self._slots}
        for name in self.scheduler.working:
            slot = of[name]
            if not slot.looking and now - slot.looked >= LOOK_EVERY:
                slot.looking, slot.looked = True, now
                self._ask("look", slot, slot.actor.progress.options(name="looks", concurrency_group=TELL).remote())

    def _wait(self, seconds: float) -> None:
        if not self._asked:
            time.sleep(seconds)
            return
        asked = list(self._asked)
        ready, _ = ray.wait(asked, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        for reference in ready:
            what, slot, name = self._asked.pop(reference)
            if name != slot.name or slot.actor is None:
                continue
            try:
                answer = ray.get(reference)
            except RayError as error:
                self._lost(slot, _one_line(error))
                continue
            getattr(self, f"_heard_{what}")(slot, answer)

    def _heard_where(self, slot: _Slot, where: tuple[str, str]) -> None:
        slot.node, slot.host = where

    def _heard_ready(self, slot: _Slot, answer: dict[str, Any]) -> None:
        if answer.get("gone"):
            self._error = f"{answer['error']}"
            if answer["outcome"] == FAILED:
                self.scheduler.failure = Failure(2, self._error)
            else:
                self._lost(slot, self._error)
        elif answer["samples_key"] != self.plan.samples_key:
            self.scheduler.failure = Failure(
                2, f"{slot.host} finds other samples than this machine: the dataset must be the same on every node, under the same path"
            )
        else:
            slot.ready = True
            self.journal.write("joined", actor=slot.name, node=slot.node, host=slot.host, pid=answer["pid"])
            self.scheduler.joined(slot.name)

    def _heard_look(self, slot: _Slot, progress: tuple[int, int, int] | None) -> None:
        slot.looking = False
        unit = self.scheduler.working.get(slot.name)
        if progress is not None and unit is not None and progress[0] == unit.id:
            slot.share = progress[1] / max(progress[2], 1)
            self.scheduler.progressed(slot.name, slot.share, time.monotonic())

    def _heard_work(self, slot: _Slot, answer: dict[str, Any]) -> None:
        unit = self.scheduler.working[slot.name]
        self._note(slot, unit, answer)
        first, error = not unit.done, str(answer.get("error", ""))
        self.scheduler.answered(slot.name, answer["outcome"], time.monotonic(), f"{error} (on {slot.host})" if error else "")
        if answer["outcome"] == DONE:
            slot.asked_again = 0
            if first:
                self.progress.ends(unit)
        elif answer["outcome"] != PREEMPTED:
            self._failures += 1
            if self.scheduler.failure is None:
                self.progress.say(f"{unit.name}: {error} (on {slot.host}); tried again")
        if answer.get("gone"):
            self._lost(slot, error)

    def _note(self, slot: _Slot, unit: Unit, answer: dict[str, Any]) -> None:
        self.journal.write("answer", unit=unit.name, actor=slot.name, node=slot.node, host=slot.host, **answer)

    def _lost(self, slot: _Slot, why: str) -> None:
        """An actor is gone: another one is asked for."""
        now = time.monotonic()
        self.journal.write("lost", actor=slot.name, node=slot.node, host=slot.host, why=why)
        self._error = why
        if slot.ready:
            unit = self.scheduler.working.get(slot.name)
            self.scheduler.left(slot.name, now, why)
            if unit is not None:
                self._failures += 1
            self.progress.say(f"an actor{f' on {slot.host}' if slot.host else ''} is gone{f', with {unit.name}' if unit else ''}: {why}")
        elif slot.asked_again >= self.retries:
            slot.given_up = True
            self.progress.say(f"no more actors in place {slot.number}: {why}")
        # It may still live behind a network that failed; nobody waits for it any more.
        ray.kill(slot.actor)
        slot.actor, slot.ready = None, False
        slot.begin_at = now + min(FIRST_WAIT * 2**slot.asked_again, LONGEST_WAIT)
        slot.asked_again += 1

    def _show(self) -> None:
        of = {slot.name: slot for slot in self._slots}
        working = self.scheduler.working
        nodes = len({slot.node for slot in self._slots if slot.ready})
        starting = sum(not slot.ready and not slot.given_up and not slot.let_go for slot in self._slots)
        crew = Crew(nodes, self.scheduler.actors, len(working), starting, self._failures)
        partly: dict[Unit, float] = {}
        for name, unit in working.items():
            if not unit.done:
                partly[unit] = max(partly.get(unit, 0.0), of[name].share)
        self.progress.show(crew, partly)

    def _stop(self) -> None:
        """Ends the workers. Those at work keep what is done; what they still answer is noted."""
        actors = {slot.name: slot for slot in self._slots if slot.actor is not None}
        stops = [slot.actor.stop.options(name="stops", concurrency_group=TELL).remote() for slot in actors.values() if slot.ready]
        if stops:
            ray.wait(stops, num_returns=len(stops), timeout=PATIENCE + 1)
        for reference, (what, slot, name) in list(self._asked.items()):
            if what == "work" and name in actors:
                try:
                    self._note(slot, self.scheduler.working[name], ray.get(reference, timeout=1.0))
                except (RayError, GetTimeoutError, KeyError):
                    continue
        for slot in actors.values():
            ray.kill(slot.actor)


def _one_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"

"""What is handed out when, and the simulation that the same scheduler goes through. Needs neither Ray nor the executable: started by tests/tests/cluster.rs."""

import json
import subprocess
import sys
import unittest
from typing import Any

from convert_labels._cluster import schedule, simulation
from convert_labels._cluster.plan import Plan, Step
from convert_labels._cluster.schedule import DONE, FAILED, PREEMPTED, TRANSIENT, Scheduler, Unit


def plan(shards: int = 4, *steps: Step) -> Plan:
    """Proposals and a selection in one pass, a training that reads them, predictions after it, and a look at each shard that waits for the first pass alone."""
    every = tuple(range(shards))
    usual = (
        Step("proposals", "p", (), 1, every, False),
        Step("select", "s", ("proposals",), 1, every, False),
        Step("train", "t", ("select",), None, (), False),
        Step("predict", "q", ("train", "proposals"), 2, every, False),
        Step("labels", "l", ("predict", "select"), 2, every, False),
    )
    return Plan("test", "", shards * 10, "", 10, shards, steps or usual)


def scheduler(of: Plan, *actors: str, **options: int) -> Scheduler:
    made = Scheduler(of, **options)
    for actor in actors:
        made.joined(actor)
    return made


def names(handed: list[tuple[str, Unit]]) -> list[str]:
    return [unit.name for _, unit in handed]


class Order(unittest.TestCase):
    def test_a_segment_goes_shard_by_shard_and_a_training_waits_for_all(self) -> None:
        made = scheduler(plan(3), "a")
        seen = []
        for now in range(7):
            [(actor, unit)] = made.hand_out(now)
            seen.append((unit.stages, unit.shards))
            made.answered(actor, DONE, now + 0.5)
        first, second = ("proposals", "select"), ("predict", "labels")
        self.assertEqual(seen, [*((first, (at,)) for at in range(3)), (("train",), ()), *((second, (at,)) for at in range(3))])
        self.assertTrue(made.finished)
        self.assertEqual(made.hand_out(9), [])

    def test_nothing_that_reads_the_training_is_handed_out_before_its_end(self) -> None:
        made = scheduler(plan(2), "a", "b", "c")
        self.assertEqual(names(made.hand_out(0)), ["proposals … select, shard 0", "proposals … select, shard 1"])
        made.answered("a", DONE, 1)
        self.assertEqual(made.hand_out(1), [], "the training reads both shards")
        made.answered("b", DONE, 2)
        self.assertFalse(made.only_whole)
        self.assertEqual(names(made.hand_out(2)), ["train"])
        self.assertTrue(made.only_whole)
        self.assertEqual(made.hand_out(3), [])
        [trainer] = made.working
        made.answered(trainer, DONE, 4)
        self.assertEqual(names(made.hand_out(4)), ["predict … labels, shard 0", "predict … labels, shard 1"])

    def test_shards_of_a_later_segment_wait_for_their_own_shard_alone(self) -> None:
        steps = (Step("one", "", (), 1, (0, 1), False), Step("other", "", (), None, (), False), Step("two", "", ("one",), 2, (0, 1), False))
        made = scheduler(plan(2, *steps), "a", "b", "c")
        self.assertEqual(names(made.hand_out(0)), ["other", "one, shard 0", "one, shard 1"], "what holds up most comes first")
        made.answered("b", DONE, 1)
        self.assertEqual(names(made.hand_out(1)), ["two, shard 0"])

    def test_what_is_done_is_not_handed_out(self) -> None:
        steps = (Step("one", "", (), 1, (1,), False), Step("two", "", ("one",), 1, (0, 1), False), Step("train", "", ("two",), None, (), True))
        made = scheduler(plan(3, *steps), "a", "b", "c")
        self.assertEqual([(unit.stages, unit.shards) for _, unit in made.hand_out(0)], [(("two",), (0,)), (("one", "two"), (1,))])
        for actor in list(made.working):
            made.answered(actor, DONE, 1)
        self.assertTrue(made.finished)

    def test_shards_are_bundled_where_they_lack_the_same(self) -> None:
        steps = (Step("one", "", (), 1, (0, 1, 2, 4), False), Step("two", "", ("one",), 2, (0, 1, 2, 3, 4), False))
        made = scheduler(plan(5, *steps), "a", "b", shards_per_task=2)
        self.assertEqual([unit.shards for _, unit in made.hand_out(0)], [(0, 1), (2, 4)])
        self.assertEqual(made.units[0].images, 20)


class Failures(unittest.TestCase):
    def test_what_may_pass_is_tried_again_later_and_elsewhere(self) -> None:
        made = scheduler(plan(1), "a", "b")
        self.assertEqual([actor for actor, _ in made.hand_out(0)], ["a"])
        made.answered("a", TRANSIENT, 1, "no file")
        self.assertEqual(made.hand_out(1), [])
        self.assertEqual(made.wake_at(1), 1 + schedule.FIRST_WAIT)
        self.assertEqual([actor for actor, _ in made.hand_out(1 + schedule.FIRST_WAIT)], ["b"])
        made.answered("b", TRANSIENT, 4, "no file")
        self.assertEqual(made.hand_out(4 + schedule.FIRST_WAIT), [], "the second time it waits twice as long")
        self.assertEqual([actor for actor, _ in made.hand_out(4 + 2 * schedule.FIRST_WAIT)], ["a"])
        self.assertIsNone(made.failure)

    def test_an_actor_alone_gets_it_back(self) -> None:
        made = scheduler(plan(1), "a")
        made.hand_out(0)
        made.answered("a", TRANSIENT, 1)
        self.assertEqual(len(made.hand_out(1 + schedule.FIRST_WAIT)), 1)

    def test_it_is_given_up_after_so_many_tries_with_code_1(self) -> None:
        made = scheduler(plan(1), "a", retries=2)
        now = 0.0
        for _ in range(3):
            now += 1000
            self.assertEqual(len(made.hand_out(now)), 1)
            made.answered("a", TRANSIENT, now, "the folder is gone")
        assert made.failure is not None
        self.assertEqual(made.failure.code, 1)
        self.assertEqual(made.failure.message, "proposals … select, shard 0: given up after 3 tries; the last: the folder is gone")
        self.assertEqual(made.hand_out(now + 1000), [])

    def test_what_is_wrong_for_good_stops_the_run_with_its_line_and_code_2(self) -> None:
        made = scheduler(plan(4), "a", "b")
        made.hand_out(0)
        made.answered("a", FAILED, 1, "mlp-head has version 2 here")
        assert made.failure is not None
        self.assertEqual((made.failure.code, made.failure.message), (2, "proposals … select, shard 0: mlp-head has version 2 here"))
        made.answered("b", DONE, 2)
        self.assertEqual(made.hand_out(2), [])

    def test_a_lost_actor_s_work_goes_to_another(self) -> None:
        made = scheduler(plan(2), "a", "b")
        self.assertEqual(len(made.hand_out(0)), 2)
        made.left("a", 1, "its node failed")
        made.answered("b", DONE, 4)
        self.assertEqual(names(made.hand_out(4)), ["proposals … select, shard 0"])
        self.assertEqual(made.actors, 1)

    def test_a_unit_that_its_actors_do_not_survive_is_given_up_and_a_long_one_is_not(self) -> None:
        for seconds, given_up in ((10.0, True), (schedule.NO_FAULT + 1, False)):
            made = scheduler(plan(1), retries=2)
            now = 0.0
            for number in range(4):
                made.joined(str(number))
                now += 100
                made.hand_out(now)
                now += seconds
                made.left(str(number), now)
            self.assertEqual(made.failure is not None, given_up)

    def test_what_was_preempted_counts_as_no_failure(self) -> None:
        made = scheduler(plan(1), "a", "b", retries=0)
        made.hand_out(0)
        made.answered("a", PREEMPTED, 1)
        made.left("a", 1)
        self.assertEqual([actor for actor, _ in made.hand_out(1)], ["b"])
        self.assertIsNone(made.failure)

    def test_an_actor_that_goes_on_failing_makes_way(self) -> None:
        made = scheduler(plan(9), "bad", "good")
        for now in (0.0, 1.0):
            self.assertIn("bad", dict(made.hand_out(now)))
            made.answered("bad", TRANSIENT, now)
        self.assertNotIn("bad", dict(made.hand_out(1.5)))
        self.assertIn("bad", dict(made.hand_out(1.0 + schedule.FIRST_WAIT * 2)))


class Slow(unittest.TestCase):
    def begun(self) -> tuple[Scheduler, float]:
        """Eight shards of ten seconds are done, and `a` has the last."""
        made = scheduler(plan(9), "a", "b")
        self.assertEqual(made.hand_out(0)[0][0], "a")
        for at in range(8):
            if at:
                self.assertEqual([actor for actor, _ in made.hand_out(10.0 * at)], ["b"])
            made.answered("b", DONE, 10.0 * (at + 1))
        return made, 80.0

    def test_a_second_actor_takes_over_what_takes_too_long_and_no_third(self) -> None:
        made, now = self.begun()
        made.joined("c")
        self.assertEqual(len(made.hand_out(now)), 1)
        self.assertEqual(made.hand_out(now + 1000), [], "two work on it")
        [unit] = set(made.working.values())
        self.assertEqual(unit.shards, (0,))
        second = next(actor for actor in made.working if actor != "a")
        made.answered(second, DONE, now + 1010)
        self.assertEqual(names(made.hand_out(now + 1010)), ["train"], "the second answer is not waited for")
        made.answered("a", FAILED, now + 1020, "too late to matter")
        self.assertIsNone(made.failure)

    def test_a_loss_of_the_first_leaves_it_to_the_second(self) -> None:
        made, now = self.begun()
        self.assertEqual(len(made.hand_out(now)), 1)
        made.left("a", now + 1)
        made.joined("c")
        self.assertEqual(made.hand_out(now + 2), [])
        made.answered("b", DONE, now + 3)
        self.assertEqual(names(made.hand_out(now + 3)), ["train"])

    def test_a_training_goes_to_the_fastest(self) -> None:
        made = scheduler(plan(40), "slow", "fast")
        free = {"slow": 0.0, "fast": 0.0}
        while not any(unit.stages == ("train",) for unit in made.working.values()):
            now = min(free.values())
            for actor in [actor for actor, until in free.items() if until <= now]:
                if actor in made.working:
                    made.answered(actor, DONE, now)
            handed = dict(made.hand_out(now))
            for actor in free:
                if free[actor] <= now:
                    free[actor] = now + ({"slow": 15.0, "fast": 10.0}[actor] if actor in handed else 1.0)
        self.assertEqual([actor for actor, unit in made.working.items() if unit.stages == ("train",)], ["fast"])


class Plans(unittest.TestCase):
    STEP = {
        "name": "a",
        "key": "k",
        "kind": "per-sample",
        "reads": [],
        "segment": 1,
        "on_demand": False,
        "done": False,
        "shards": {"done": [0], "to_do": [1]},
    }
    WHOLE = {"version": 2, "recipe": "r", "work_dir": "w", "device": "cpu", "samples": 15, "samples_key": "s", "shard_size": 10, "shards": 2}

    def test_exports_and_what_is_on_demand_are_left_out(self) -> None:
        export = {"name": "export-x", "key": "e", "kind": "whole-set", "reads": ["a"], "on_demand": False}
        read = Plan.parse(json.dumps(self.WHOLE | {"steps": [self.STEP, self.STEP | {"name": "b", "on_demand": True}, export]}))
        self.assertEqual([step.name for step in read.steps], ["a"])
        self.assertEqual((read.steps[0].to_do, read.images(0), read.images(1)), ((1,), 10, 5))

    def test_another_version_and_missing_fields_are_refused(self) -> None:
        for change, expected in (({"version": 1}, "version 1, not 2"), ({"steps": [{"on_demand": False, "kind": "per-sample"}]}, "lacks 'name'")):
            with self.assertRaises(ValueError) as caught:
                Plan.parse(json.dumps(self.WHOLE | {"steps": []} | change))
            self.assertIn(expected, str(caught.exception))


class Simulated(unittest.TestCase):
    """ImageNet's recipe: 1250 shards on 64 GPUs, 2 % of the nodes failing in an hour."""

    times: simulation.Times
    plan: Plan

    @classmethod
    def setUpClass(cls) -> None:
        cls.times, said = simulation.Times.read(simulation.IMAGENET)
        cls.plan = simulation.imagenet(said, 1250)

    def report(self, **assumed: Any) -> simulation.Report:
        return simulation.simulate(self.plan, self.times, simulation.Assumptions(**assumed))

    def test_it_stays_near_the_ideal_and_computes_nothing_three_times(self) -> None:
        report = self.report()
        self.assertEqual(report.shards, 2500)
        self.assertEqual(sum(report.computed.values()), 2501, "every piece of work, the training among them")
        self.assertLessEqual(set(report.computed), {1, 2})
        self.assertLess(report.computed.get(2, 0), 25)
        self.assertGreater(report.lost_nodes, 5)
        self.assertLessEqual(report.ratio, 1.15)
        self.assertLessEqual(report.ratio_of_shards, 1.15)
        # All of the time has a cause.
        spent = sum(report.gpu_seconds.values()) / 64
        self.assertAlmostEqual(spent / (report.took - report.took_training), 1.0, delta=0.02)

    def test_nodes_that_fail_every_few_minutes_cost_time_and_no_shard(self) -> None:
        report = self.report(failures_per_hour=4.0)
        self.assertLessEqual(set(report.computed), {1, 2})
        self.assertEqual(sum(report.computed.values()), 2501)
        self.assertGreater(report.gpu_seconds["work that was lost"], 0)
        self.assertGreater(report.ratio_of_shards, 1.2)

    def test_without_trouble_only_starting_loading_and_the_last_shards_cost(self) -> None:
        report = self.report(failures_per_hour=0, slow_share=0, node_spread=0, spread=0, stuck_share=0)
        self.assertEqual((set(report.computed), report.lost_nodes), ({1}, 0))
        self.assertLess(report.ratio_of_shards, 1.07)
        self.assertEqual(report.gpu_seconds["slow nodes and shards"], 0)

    def test_a_seed_gives_one_result(self) -> None:
        self.assertEqual(self.report(seed=3).took, self.report(seed=3).took)

    def test_the_command_prints_it(self) -> None:
        command = [sys.executable, "-m", "convert_labels", "ray", "--simulate", "--shards", "100", "--gpus", "8", "--seed", "1"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for expected in ("whole run:      ideal", "shards alone:", "computed twice:", "waiting for the last shards"):
            self.assertIn(expected, said)


if __name__ == "__main__":
    unittest.main()

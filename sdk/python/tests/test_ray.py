"""A run on a cluster of three nodes, which are processes of this machine: one node is killed in the middle of a stage, then the driver, and the labels are those of one machine.

Started by tests/tests/cluster.rs with a Python that has Ray, the package on PYTHONPATH, the executable in CONVERT_EXECUTABLE and a recipe in CONVERT_RECIPE.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster

RECIPE = os.environ["CONVERT_RECIPE"]
EXECUTABLE = os.environ["CONVERT_EXECUTABLE"]
COMPARED = ("labels.tsv", "annotations.json")
LIMIT = 240.0


def journal(work: Path) -> list[dict[str, Any]]:
    file = work / "ray.jsonl"
    # A killed driver may have left half a line.
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")] if file.is_file() else []


def events(work: Path, *names: str) -> list[dict[str, Any]]:
    return [line for line in journal(work) if line["event"] in names]


def workers(work: Path) -> list[int]:
    """The workers of a run, wherever they were started."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                arguments = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"worker" in arguments and os.fsencode(work) in arguments:
                found.append(int(process.name))
    return found


def computed(work: Path) -> Counter[tuple[str, int]]:
    """How often each shard was computed: created, or computed though it was there."""
    answers = (made for answer in events(work, "answer") for made in answer.get("shards", []))
    return Counter((made["stage"], made["shard"]) for made in answers if made["made"] != "found")


class Runs(unittest.TestCase):
    folder: "tempfile.TemporaryDirectory[str]"
    single: Path
    """The run of one machine."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.single = Path(cls.folder.name, "single")
        subprocess.run([EXECUTABLE, "--recipe", RECIPE, "--work-dir", cls.single], check=True, capture_output=True)

    def setUp(self) -> None:
        # The head has no room for actors, so that each node is one that can be killed.
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.addCleanup(self.cluster.shutdown)
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(3)]
        self.work = Path(self.folder.name, self.id().rsplit(".", 1)[-1])

    def driver(self, *more: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "convert_labels", "ray", "--recipe", RECIPE, "--work-dir", str(self.work), "--address", self.cluster.address]
        process = subprocess.Popen([*command, "--actors", "3", *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.kill)
        return process

    def busy(self) -> set[str]:
        """Actors that work on a shard."""
        at_work = set()
        for line in events(self.work, "handed", "answer", "lost"):
            if line["event"] == "handed" and "shard" in line["unit"]:
                at_work.add(line["actor"])
            else:
                at_work.discard(line["actor"])
        return at_work

    def until(self, what: Callable[[], object], process: "subprocess.Popen[str] | None" = None) -> None:
        end = time.monotonic() + LIMIT
        while not what():
            if process is not None and process.poll() is not None:
                self.fail(f"the driver ended with {process.returncode}: {process.communicate()[0]}")
            if time.monotonic() > end:
                self.fail(f"nothing came of it: {journal(self.work)[-5:]}")
            time.sleep(0.02)

    def finishes(self, process: "subprocess.Popen[str]") -> str:
        said, _ = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0, said)
        for name in COMPARED:
            self.assertEqual((self.work / name).read_bytes(), (self.single / name).read_bytes(), name)
        self.assertEqual(workers(self.work), [])
        return said

    def test_a_node_and_the_driver_are_killed_and_the_labels_are_those_of_one_machine(self) -> None:
        process = self.driver()

        self.until(lambda: len(events(self.work, "joined")) == 3 and len(events(self.work, "answer")) >= 3 and self.busy(), process)
        actor = next(iter(self.busy()))
        killed = next(line["node"] for line in events(self.work, "joined") if line["actor"] == actor)
        self.cluster.remove_node(next(node for node in self.nodes if node.node_id == killed), allow_graceful=False)
        self.until(lambda: events(self.work, "lost"), process)
        [lost] = events(self.work, "lost")
        self.assertEqual(lost["node"], killed)

        count = len(events(self.work, "answer"))
        self.until(lambda: len(events(self.work, "answer")) >= count + 2 and self.busy(), process)
        process.kill()
        process.communicate()
        before = sum(computed(self.work).values())
        self.until(lambda: not workers(self.work))

        # Its node is gone: the third actor does not come, and nobody waits for it.
        said = self.finishes(self.driver())
        self.assertIn("labels", said)
        times = computed(self.work)
        self.assertGreater(sum(times.values()), before)
        self.assertLessEqual(max(times.values()), 2, times)
        plan = json.loads(subprocess.run([EXECUTABLE, "plan", RECIPE, "--work-dir", self.work, "--json"], check=True, capture_output=True).stdout)
        stages = [step for step in plan["steps"] if "shards" in step and not step["on_demand"]]
        self.assertTrue(all(step["done"] for step in stages))
        # What was in work when its driver was killed was stored without an answer, at most once a worker.
        missing = len(stages) * plan["shards"] - len(times)
        self.assertLessEqual(missing, 3 * len(stages))

    def test_ctrl_c_leaves_a_run_that_continues(self) -> None:
        process = self.driver()
        self.until(lambda: len(events(self.work, "answer")) >= 3, process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertIn("interrupted; the same command continues from here", said)
        self.assertEqual(workers(self.work), [])
        before = computed(self.work)
        self.finishes(self.driver())
        self.assertLessEqual(max(computed(self.work).values()), 2)
        self.assertTrue(all(computed(self.work)[shard] == 1 for shard in before), "what was answered is not computed again")

    def test_a_second_driver_is_told_who_is_at_work_and_a_worker_that_ends_is_replaced(self) -> None:
        process = self.driver()
        self.until(lambda: events(self.work, "joined"), process)
        second = self.driver()
        said, _ = second.communicate(timeout=120)
        self.assertEqual(second.returncode, 1, said)
        self.assertIn("error:", said)
        self.until(lambda: len(events(self.work, "answer")) >= 2 and self.busy(), process)
        joined = {line["actor"]: line["pid"] for line in events(self.work, "joined")}
        os.kill(next(joined[actor] for actor in self.busy()), signal.SIGKILL)
        said = self.finishes(process)
        self.assertIn("the worker was ended by SIGKILL", said)
        # On a busy machine the last shard may be computed twice; the second one is then stopped.
        outcomes = [answer["outcome"] for answer in events(self.work, "answer")]
        self.assertEqual([outcome for outcome in outcomes if outcome not in ("done", "preempted")], ["transient"])
        self.assertLessEqual(max(computed(self.work).values()), 2)

    def test_what_is_wrong_for_good_ends_it_with_the_executable_s_own_words(self) -> None:
        process = self.driver("--set", "dataset.cuont=3")
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2, said)
        self.assertIn("unknown key `cuont`", said)

    def test_a_bucket_holds_a_run_whose_node_is_killed(self) -> None:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        host, port = server.get_host_and_port()
        access = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }
        bucket = boto3.client(
            "s3", endpoint_url=access["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        bucket.create_bucket(Bucket="runs")
        patched = unittest.mock.patch.dict(os.environ, access)
        patched.start()
        self.addCleanup(patched.stop)
        place = "s3://runs/one"
        asked = subprocess.run([EXECUTABLE, "plan", RECIPE, "--work-dir", place, "--json"], capture_output=True, text=True)
        if "not yet" in asked.stderr:
            self.skipTest("this executable knows no buckets yet")
        self.work.mkdir()
        command = [
            sys.executable,
            "-m",
            "convert_labels",
            "ray",
            "--recipe",
            RECIPE,
            "--work-dir",
            place,
            "--address",
            self.cluster.address,
            "--actors",
            "3",
        ]
        command += ["--log", str(self.work / "ray.jsonl"), *(part for name in access for part in ("--env", name))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.kill)
        self.until(lambda: len(events(self.work, "answer")) >= 3 and self.busy(), process)
        actor = next(iter(self.busy()))
        killed = next(line["node"] for line in events(self.work, "joined") if line["actor"] == actor)
        self.cluster.remove_node(next(node for node in self.nodes if node.node_id == killed), allow_graceful=False)
        said, _ = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0, said)
        for name in COMPARED:
            made = bucket.get_object(Bucket="runs", Key=f"one/{name}")["Body"].read()
            self.assertEqual(made, (self.single / name).read_bytes(), name)
        self.assertLessEqual(max(computed(self.work).values()), 2)


if __name__ == "__main__":
    unittest.main()

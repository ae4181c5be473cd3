"""`convert-labels ray`: its arguments, and the run from plan to exports."""

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convert_labels._cluster.journal import Journal
from convert_labels._cluster.plan import Plan
from convert_labels._cluster.progress import Progress
from convert_labels._cluster.schedule import Failure, Scheduler
from convert_labels._environment import environment
from convert_labels._executable import executable


def main(arguments: Sequence[str]) -> int:
    """Runs the command, and returns its exit code: that of the run, 1 where another try may help, 2 where none will, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return _simulate(options) if options.simulate else _run(options)
    except KeyboardInterrupt:
        return _interrupted()
    except OSError as error:
        return _say(Failure(2, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)))
    except ValueError as error:
        return _say(Failure(2, str(error)))
    except RuntimeError as error:
        return _say(Failure(1, str(error)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{os.path.basename(sys.argv[0]).replace('__main__.py', 'convert-labels')} ray",
        description="Runs a recipe on the machines of a Ray cluster. The results are those of one machine, byte for byte. "
        "Interrupted or killed, the same command continues.",
    )
    parser.add_argument("--recipe", metavar="FILE", help="the recipe; it, program, dataset and weights have the same paths on every node")
    parser.add_argument("--work-dir", metavar="DIR|URL", help="a folder that all nodes share, or a bucket; the recipe's work_dir by default")
    parser.add_argument("--set", action="append", default=[], metavar="path.to.key=value", help="change a value of the recipe; repeatable")
    parser.add_argument("--limit", type=int, metavar="N", help="work on N samples, evenly spread")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda", help="the device of the networks (cpu)")
    parser.add_argument("--address", metavar="ADDRESS", help="the cluster, such as `auto`; by default a running one, else this machine alone")
    parser.add_argument("--actors", type=int, metavar="N", help="workers; by default as many as the cluster has room for now")
    parser.add_argument("--gpus-per-worker", type=float, default=1.0, metavar="N", help="GPUs of a worker, with --device cuda (1)")
    parser.add_argument(
        "--cpus-per-worker", type=int, metavar="N", help="threads of a worker; by default 1, on GPUs the cores that a node has for each"
    )
    parser.add_argument("--shards-per-task", type=int, default=1, metavar="K", help="shards that are handed out at once (1)")
    parser.add_argument("--retries", type=int, default=5, metavar="N", help="how often a shard may fail in a way that may pass, or be lost (5)")
    parser.add_argument(
        "--release-after", type=float, metavar="SECONDS", help="let workers go that wait so long for a training, and ask for others after it"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="where answers are noted; by default ray.jsonl in the work directory, if a folder")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="an environment variable for the workers, beside those in the recipe; repeatable"
    )
    simulation = parser.add_argument_group("simulation")
    simulation.add_argument("--simulate", action="store_true", help="run nothing: the same scheduler under a clock of its own, by recorded times")
    simulation.add_argument("--shards", type=int, default=1250, metavar="N", help="shards of ImageNet's training images (1250)")
    simulation.add_argument("--gpus", type=int, default=64, metavar="N", help="(64)")
    simulation.add_argument("--gpus-per-node", type=int, default=1, metavar="N", help="GPUs that fail together (1)")
    simulation.add_argument("--failures-per-hour", type=float, default=0.02, metavar="P", help="of each node (0.02)")
    simulation.add_argument("--plan", type=Path, metavar="FILE", help="what `convert plan RECIPE --json` printed, instead of ImageNet's recipe")
    simulation.add_argument("--times", type=Path, metavar="FILE", help="what an image costs each stage, in the form of imagenet-times.json")
    simulation.add_argument("--seed", type=int, default=0, metavar="N", help="of all chance (0)")
    return parser


def _simulate(options: argparse.Namespace) -> int:
    from convert_labels._cluster import simulation

    times, said = simulation.Times.read(options.times or simulation.IMAGENET)
    plan = Plan.parse(options.plan.read_bytes()) if options.plan else simulation.imagenet(said, options.shards)
    assumed = simulation.Assumptions(
        gpus=options.gpus, gpus_per_node=options.gpus_per_node, failures_per_hour=options.failures_per_hour, seed=options.seed
    )
    report = simulation.simulate(plan, times, assumed, shards_per_task=options.shards_per_task)
    for line in report.lines():
        print(line)
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.recipe is None:
        return _say(Failure(2, "--recipe is missing"))
    # It says on its own, to strangers, how it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        return _say(Failure(2, f"Ray cannot be imported ({error}): pip install 'convert-labels[ray]'"))
    from convert_labels._cluster.driver import Driver, Interrupted, Wanted
    from convert_labels._cluster.worker import Worker

    recipe = str(Path(options.recipe).absolute())
    common = _common(options)
    planned = subprocess.run([str(executable()), "plan", recipe, *common, "--json"], stdout=subprocess.PIPE, env=environment())
    if planned.returncode != 0:
        return planned.returncode
    plan = Plan.parse(planned.stdout)
    scheduler = Scheduler(plan, shards_per_task=options.shards_per_task, retries=options.retries)
    if scheduler.finished:
        return _finish(recipe, common)
    journal = Journal(options.log or (None if "://" in plan.work_dir else Path(plan.work_dir) / "ray.jsonl"))
    arguments = ("--recipe", recipe, *common)
    lead = Worker([*arguments, "--threads", "1", "--lead"], {}, os.getcwd())
    try:
        if (ready := lead.ready()).get("gone"):
            return _say(Failure(2 if ready["outcome"] == "failed" else 1, ready["error"]))
        ray.init(address=options.address, log_to_driver=False, logging_level=logging.WARNING)
        try:
            cpus, gpus = _share(options, ray)
            units = max((sum(unit.segment == one.segment for unit in scheduler.units) for one in scheduler.units), default=1)
            room = _room(ray.cluster_resources(), cpus, gpus)
            actors = options.actors or max(min(room, units), 1)
            journal.write("began", recipe=plan.recipe, work_dir=plan.work_dir, units=len(scheduler.units), actors=actors, cpus=cpus, gpus=gpus)
            wanted = Wanted(actors, cpus, gpus, (*arguments, "--threads", str(cpus)), _variables(recipe, options))
            failure = Driver(plan, scheduler, wanted, journal, Progress(plan, scheduler), lead, options.retries, options.release_after).run()
        finally:
            ray.shutdown()
    except Interrupted:
        journal.write("interrupted")
        return _interrupted()
    finally:
        lead.close()
    if failure is not None:
        journal.write("failed", code=failure.code, error=failure.message)
        return _say(failure)
    journal.write("finished")
    return _finish(recipe, common)


def _common(options: argparse.Namespace) -> list[str]:
    """What every call of the executable is given, so that all mean the same run."""
    given = [part for change in options.set for part in ("--set", change)]
    if options.work_dir is not None:
        place = options.work_dir if "://" in options.work_dir else str(Path(options.work_dir).absolute())
        given += ["--work-dir", place]
    if options.limit is not None:
        given += ["--limit", str(options.limit)]
    return [*given, "--device", options.device]


def _share(options: argparse.Namespace, ray: Any) -> tuple[int, float]:
    """Cores and GPUs of an actor."""
    if options.device == "cpu":
        return options.cpus_per_worker or 1, 0.0
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    each = min((node.get("CPU", 1.0) / node["GPU"] for node in nodes), default=1.0) * options.gpus_per_worker
    return options.cpus_per_worker or max(int(each), 1), options.gpus_per_worker


def _room(resources: dict[str, float], cpus: int, gpus: float) -> int:
    by_cpus = resources.get("CPU", 0.0) / cpus
    return int(min(by_cpus, resources.get("GPU", 0.0) / gpus) if gpus else by_cpus)


def _variables(recipe: str, options: argparse.Namespace) -> dict[str, str]:
    """The environment variables that the recipe names, our own, and those that are asked for. Credentials are the nodes' own."""
    text = "\n".join([Path(recipe).read_text(encoding="utf-8"), *options.set])
    names = {*re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", text), *options.env, *(name for name in os.environ if name.startswith("CONVERT_"))}
    return {name: os.environ[name] for name in names if name in os.environ}


def _finish(recipe: str, common: Sequence[str]) -> int:
    """The run on one machine: it finds everything done, counts, and exports."""
    # A session of its own: a terminal's Ctrl-C would reach it twice, which ends it at once.
    process = subprocess.Popen([str(executable()), "--recipe", recipe, *common], env=environment(), start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: process.send_signal(number))
    code = process.wait()
    if code == 130:
        return _interrupted()
    return code if code >= 0 else 128 - code


def _interrupted() -> int:
    print("interrupted; the same command continues from here", file=sys.stderr)
    return 130


def _say(failure: Failure) -> int:
    print(f"error: {failure.message}", file=sys.stderr)
    return failure.code

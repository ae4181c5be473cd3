"""docs/examples/slurm with an `sbatch` that runs each job at once: the labels are those of one machine. Started by tests/tests/cluster.rs, with CONVERT_EXECUTABLE and CONVERT_RECIPE."""

import json
import os
import subprocess
import tempfile
import unittest
import unittest.mock
from pathlib import Path

RECIPE, EXECUTABLE = os.environ["CONVERT_RECIPE"], os.environ["CONVERT_EXECUTABLE"]
SUBMIT = Path(__file__).resolve().parents[3] / "docs/examples/slurm/submit.sh"

# Runs each task of the array, prints the job's number, and notes what was asked for. A job after one that failed does not run.
SBATCH = """#!/usr/bin/env bash
echo "$*" >>"$JOBS/asked"
job=$(wc -l <"$JOBS/asked") tasks=0-0
while [[ $1 == --* ]]; do
    case $1 in
    --array=*) tasks=${1#--array=} ;;
    --dependency=afterok:*) [ "$(cat "$JOBS/${1##*:}")" = 0 ] || { echo 9 >"$JOBS/$job"; echo "$job"; exit 0; } ;;
    esac
    shift
done
[ "$job" != 2 ] || [ -z "${BROKEN:-}" ] || { rm -rf "$BROKEN"; touch "$BROKEN"; }
code=0
for task in $(seq "${tasks%-*}" "${tasks#*-}"); do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$((${tasks#*-} + 1)) SLURM_CPUS_PER_TASK=2 "$@" >>"$JOBS/said" 2>&1 || code=$?
done
echo $code >"$JOBS/$job"
echo "$job"
"""


class Slurm(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "bin").mkdir()
        (self.folder / "bin/sbatch").write_text(SBATCH)
        (self.folder / "bin/sbatch").chmod(0o755)
        (self.folder / "bin/convert").symlink_to(EXECUTABLE)
        self.work = self.folder / "work"

    def submit(self, *more: str) -> list[int]:
        """Submits a run to three tasks, and returns the exit code of each job."""
        jobs = Path(tempfile.mkdtemp(dir=self.folder))
        variables = os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "JOBS": str(jobs)}
        done = subprocess.run([SUBMIT, "3", RECIPE, "--work-dir", self.work, *more], env=variables, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        count = len((jobs / "asked").read_text().splitlines())
        codes = [int((jobs / str(job)).read_text()) for job in range(1, count + 1)]
        self.said = (jobs / "said").read_text() if (jobs / "said").is_file() else ""
        return codes

    def test_jobs_after_one_another_make_the_labels_of_one_machine(self) -> None:
        self.assertEqual(self.submit(), [0, 0, 0, 0], "proposals to selection, training, predictions and labels, exports")
        single = self.folder / "single"
        subprocess.run([EXECUTABLE, "--recipe", RECIPE, "--work-dir", single], check=True, capture_output=True)
        for name in ("labels.tsv", "annotations.json"):
            self.assertEqual((self.work / name).read_bytes(), (single / name).read_bytes(), name)
        self.assertEqual(self.submit(), [0], "what is done is not done again")

    def test_what_is_wrong_stops_the_jobs_that_follow(self) -> None:
        plan = json.loads(subprocess.run([EXECUTABLE, "plan", RECIPE, "--work-dir", self.work, "--json"], check=True, capture_output=True).stdout)
        # As the second job begins, a file stands where the training's folder should be.
        place = next(Path(step["place"]) for step in plan["steps"] if step["name"].startswith("train-"))
        with unittest.mock.patch.dict(os.environ, {"BROKEN": str(place)}):
            codes = self.submit()
        self.assertNotEqual(codes[1], 0, self.said)
        self.assertEqual([codes[0], *codes[2:]], [0, 9, 9], self.said)
        self.assertIn(place.name, self.said)


if __name__ == "__main__":
    unittest.main()

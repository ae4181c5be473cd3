#!/usr/bin/env bash
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
# One task of an array: every N-th of the shards that a segment lacks, in one process that keeps its models. Submitted by submit.sh.
#
#   array.sh SEGMENT RECIPE [arguments of convert]
set -euo pipefail
segment=$1 recipe=$2
shift 2
plan=$(convert plan "$recipe" "$@" --json)
requests=$(python3 -c '
import json, sys
segment, task, tasks = map(int, sys.argv[1:])
steps = [step for step in json.load(sys.stdin)["steps"] if step.get("segment") == segment]
for shard in sorted({shard for step in steps for shard in step["shards"]["to_do"]}):
    if shard % tasks == task:
        stages = {step["name"]: step["key"] for step in steps if shard in step["shards"]["to_do"]}
        print(json.dumps({"id": shard, "stages": list(stages), "keys": stages, "shards": [shard]}))
' "$segment" "${SLURM_ARRAY_TASK_ID:-0}" "${SLURM_ARRAY_TASK_COUNT:-1}" <<<"$plan")
[ -n "$requests" ] || exit 0

answers=$(mktemp)
trap 'rm -f "$answers"' EXIT
convert worker --recipe "$recipe" "$@" --threads "${SLURM_CPUS_PER_TASK:-1}" <<<"$requests" >"$answers" &
worker=$!
# Slurm tells this script a minute before it ends it; the worker then keeps what it has done.
trap 'kill -TERM $worker' TERM
code=0
wait $worker || code=$?
while kill -0 $worker 2>/dev/null; do wait $worker || code=$?; done
# The worst that any answer said.
worst=$(python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
for line in lines:
    if line.get("error"):
        print(line["error"], file=sys.stderr)
print(max((line.get("code", 0) for line in lines), default=0))
' "$answers")
[ "$worst" -le "$code" ] || code=$worst
# What may pass, and what was preempted, waits for its turn again; what is wrong for good stops the jobs that follow.
if [ "$code" != 0 ] && [ "$code" != 2 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"

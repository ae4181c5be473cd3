#!/usr/bin/env bash
# A run as jobs of Slurm, without Ray: an array for the shards of each segment, a job for each training between, and one for the exports.
#
#   ./submit.sh TASKS RECIPE [--device cuda] [--work-dir DIR] …
#
# What follows RECIPE goes to every `convert`. Options of sbatch that all jobs want stand in SBATCH_OPTIONS. A run that failed is submitted again in the same way: what is done is not done again.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
tasks=$1 recipe=$(realpath "$2")
shift 2
here=$(cd "$(dirname "$0")" && pwd)
read -ra options <<<"${SBATCH_OPTIONS:-}"

# The parts in their order: a segment's number, or the name of a training.
plan=$(convert plan "$recipe" "$@" --json)
parts=$(python3 -c '
import json, sys
seen = set()
for step in json.load(sys.stdin)["steps"]:
    part = step.get("segment", step["name"])
    if not step["on_demand"] and not step.get("done", True) and part not in seen:
        seen.add(part)
        print("segment" if "segment" in step else "stage", part)
' <<<"$plan")

after=
job() { # job WHAT ARGUMENTS…: a job that waits for the one before
    local what=$1
    shift
    after=$(sbatch --parsable "${options[@]}" ${after:+--dependency=afterok:$after} "$@")
    echo "$what: job $after"
}
while read -r kind part; do
    case $kind in
    segment) job "segment $part" --array="0-$((tasks - 1))" "$here/array.sh" "$part" "$recipe" "$@" ;;
    stage) job "$part" "$here/stage.sh" "$part" "$recipe" "$@" ;;
    esac
done <<<"$parts"
job "exports" "$here/stage.sh" "" "$recipe" "$@"

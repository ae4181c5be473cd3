#!/usr/bin/env bash
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --requeue
# One training, or with an empty name the run's end, which finds everything done and exports. Submitted by submit.sh.
#
#   stage.sh NAME RECIPE [arguments of convert]
set -euo pipefail
name=$1 recipe=$2
shift 2
if [ -n "$name" ]; then
    exec convert stage "$name" --recipe "$recipe" "$@" --threads "${SLURM_CPUS_PER_TASK:-1}"
fi
exec convert --recipe "$recipe" "$@" --threads "${SLURM_CPUS_PER_TASK:-1}"

#!/bin/sh
# Eight shards of one plan as a job array: sbatch docs/collecting/slurm.sh
# Afterwards: npm run --silent worldloop -- merge "$SCRATCH"/shards/* --out "$SCRATCH"/drives
#SBATCH --job-name=worldloop-collect
#SBATCH --array=0-7
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --signal=INT@120
#SBATCH --requeue
set -eu
exec srun node --import tsx src/cli/main.ts collect --world car-racing --policy random \
  --episodes 10000 --frames 300 --seed 1 --workers "$SLURM_CPUS_PER_TASK" \
  --shard "$SLURM_ARRAY_TASK_ID/8" --out "$SCRATCH/shards/$SLURM_ARRAY_TASK_ID" --resume

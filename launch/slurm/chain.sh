#!/usr/bin/env bash
# Submits jobs one after the other, each of which starts when the one before has completed:
#   launch/slurm/chain.sh \
#       launch/slurm/run.sbatch pretrain surgery_base data.source=/hybrid run=/scratch/hybrid \
#       --then --nodes 1 launch/slurm/run.sbatch pretrain surgery_base data.source=/ours \
#           run=/scratch/ours init_from=/scratch/hybrid
# What stands between the --then are arguments of sbatch. A job that fails takes those behind it
# out of the queue; one that is requeued holds them until it is complete.
set -euo pipefail
previous=""
words=()

submit() {
    local options=(--parsable)
    [ -z "$previous" ] || options+=(--dependency="afterok:$previous" --kill-on-invalid-dep=yes)
    local job
    job=$(sbatch "${options[@]}" "${words[@]}")
    job=${job%%;*} # a cluster's name may follow
    echo "job $job${previous:+ after job $previous}: ${words[*]}"
    previous=$job
    words=()
}

[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for word in "$@"; do
    if [ "$word" = --then ]; then submit; else words+=("$word"); fi
done
submit

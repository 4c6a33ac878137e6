#!/usr/bin/env bash
# `make demo`, on 2 processes (1 on a single GPU): synthetic recordings, pretraining on four of them,
# finetuning on their phases, and a test on the other two.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf demo
echo "demo: generating six synthetic recordings ..."
python -m video synthesize demo/recordings --recordings 6
printf 'operation05\noperation06\n' >demo/held_out.txt
gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
export PROCESSES=${PROCESSES:-$((gpus == 1 ? 1 : 2))}
launch/local.sh pretrain demo data.exclude=demo/held_out.txt run=demo/run \
    knn_probe='{source: demo/recordings, labels: demo/recordings}'
launch/local.sh finetune demo run=demo/phases
python -m launch report demo/run

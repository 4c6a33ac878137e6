#!/usr/bin/env bash
# What `make demo` runs, on 2 processes (1 on one GPU): synthetic recordings, a real pretraining on
# four of them, and a finetuning on their phases that is tested on a fifth and sixth.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf demo
echo "rendering recordings ..."
python -m video synthesize demo/recordings --recordings 6
printf 'operation05\noperation06\n' >demo/held_out.txt
gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
export PROCESSES=${PROCESSES:-$((gpus == 1 ? 1 : 2))}
launch/local.sh pretrain demo data.exclude=demo/held_out.txt run=demo/run \
    probe='{source: demo/recordings, labels: demo/recordings}'
launch/local.sh finetune demo run=demo/phases
python -m launch report demo/run

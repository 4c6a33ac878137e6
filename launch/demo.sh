#!/usr/bin/env bash
# What `make demo` runs: synthetic recordings, then a real pretraining on 2 processes (1 on one GPU).
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf demo
echo "rendering recordings ..."
python -m video synthesize demo/recordings
gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
PROCESSES=${PROCESSES:-$((gpus == 1 ? 1 : 2))} \
    launch/pretrain.sh demo data.source=demo/recordings run=demo/run

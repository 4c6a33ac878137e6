#!/usr/bin/env bash
# A program on all GPUs of this machine, started by the deepspeed launcher:
#   launch/local.sh pretrain surgery_base data.source=/videos run=runs/first
#   launch/local.sh finetune phases_base data.dataset.source=/videos ... run=runs/phases
# PROCESSES=N sets the number of processes; the default is the number of GPUs, or 1 without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v deepspeed >/dev/null; then
    echo "local.sh: deepspeed is not on PATH; activate its environment (. .venv/bin/activate)" >&2
    exit 2
fi
gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
processes=${PROCESSES:-$((gpus > 0 ? gpus : 1))}
exec deepspeed --num_accelerators "$processes" --master_port "${MASTER_PORT:-29500}" \
    --module "$@"

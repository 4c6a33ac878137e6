#!/usr/bin/env bash
# A program on the GPUs of this machine, started by the deepspeed launcher in the current folder:
#   launch/local.sh pretrain surgery_base data.source=/videos run=runs/first
#   launch/local.sh finetune phases_base data.dataset.source=/videos ... run=runs/phases
# CUDA_VISIBLE_DEVICES selects GPUs, by index, UUID or MIG name; empty, it selects the CPU.
# PROCESSES=N sets the number of processes; the default is the number of GPUs, or 1 without a GPU.
# DEEPSPEED_LOG=info shows the lines of DeepSpeed's launcher.
# Ctrl-C and SIGTERM reach the processes alone, which save and end; DeepSpeed would end them after 30 s.
set -uo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
if ! deepspeed=$(command -v deepspeed); then
    echo "local.sh: deepspeed is not on PATH; activate its environment (. .venv/bin/activate)" >&2
    exit 2
fi
python=$(dirname "$deepspeed")/python
[ -x "$python" ] || python=python3

set -m # the launcher gets a process group of its own, which a terminal's Ctrl-C does not reach
"$python" -m launch.distributed.local_launcher "$@" </dev/null &
launcher=$!
forward() {
    pkill "-$1" -P "$launcher" || kill "-$1" -- "-$launcher"
}
trap 'forward INT' INT
trap 'forward TERM' TERM HUP
trap 'forward USR1' USR1
while kill -0 "$launcher" 2>/dev/null; do # a trap ends `wait` early
    wait "$launcher"
    status=$?
done
case $status in
0 | 1 | 2 | 75 | 130) ;; # the program has said why
*) echo "local.sh: ended with status $status; a process was killed (247: SIGKILL, perhaps for memory)" >&2 ;;
esac
exit "$status"

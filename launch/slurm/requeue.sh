# shellcheck shell=bash
# run_and_requeue COMMAND...: runs a program under srun, with one task per GPU. If the program has
# saved and stopped, because of preemption or the time limit, the job returns to the queue.

STOPPED=75 # exit status of a run that has saved; the same command resumes it

# where a collective hangs: NCCL's warnings in the output, and on each rank the last collectives,
# in nccl-JOB-rank-N files of this folder, which `torchfrtrace` compares
export NCCL_DEBUG=${NCCL_DEBUG:-WARN} TORCH_NCCL_DUMP_ON_TIMEOUT=${TORCH_NCCL_DUMP_ON_TIMEOUT:-1}
export TORCH_FR_BUFFER_SIZE=${TORCH_FR_BUFFER_SIZE:-2000}
export TORCH_FR_DUMP_TEMP_FILE=${TORCH_FR_DUMP_TEMP_FILE:-$PWD/nccl-${SLURM_JOB_ID:-0}-rank-}

run_and_requeue() {
    local status=0 job=${SLURM_JOB_ID:?} state training
    trap : TERM USR1 # these signals are for the training; this script waits for its exit status
    export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    # a process that fails says why, then ends the others; --wait is for one that is killed
    srun --kill-on-bad-exit=0 --wait=120 "$@" &
    training=$!
    # a signal interrupts `wait`, also between its return and the next line
    until wait $training; status=$?; ! kill -0 $training 2>/dev/null; do :; done
    wait $training && status=0 || status=$?
    state=$(scontrol show job "$job" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p')
    # a cancelled job is no longer RUNNING
    if [ "$status" = "$STOPPED" ] && [ "$state" = RUNNING ]; then
        echo "the run has saved and stopped; job $job returns to the queue"
        scontrol requeue "$job"
        sleep 60 # SLURM ends this script
    fi
    exit "$status"
}

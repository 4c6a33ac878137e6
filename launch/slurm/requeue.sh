# shellcheck shell=bash
# run_and_requeue COMMAND...: runs a training under srun, one task a GPU, and hands the job back to
# the queue when the training was asked to stop, by preemption or by the end of its time.

STOPPED=75 # exit status of a run that has saved; the same command goes on

run_and_requeue() {
    local status=0 job=${SLURM_JOB_ID:?} state training
    trap : TERM USR1 # they are for the training; this script waits for what it makes of them
    export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    # a process that fails says why and ends the others; --wait is for what ends without a word
    srun --kill-on-bad-exit=0 --wait=120 "$@" &
    training=$!
    until wait $training; status=$?; ! kill -0 $training 2>/dev/null; do :; done
    wait $training && status=0 || status=$? # a signal may have come between the two
    state=$(scontrol show job "$job" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p')
    # a job that was cancelled is ending already
    if [ "$status" = "$STOPPED" ] && [ "$state" = RUNNING ]; then
        echo "the run has saved and stopped; job $job goes back to the queue"
        scontrol requeue "$job"
        sleep 60 # SLURM ends this script
    fi
    exit "$status"
}

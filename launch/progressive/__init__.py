"""Chains of stages that resume: `python -m launch progressive CHAIN.yaml`.

A chain file lists stages, and what each reads of the stages before it:

    folder: runs/cholec80            # of chain.json, logs and stage folders; default runs/FILE
    processes: 2                     # per stage on this machine; default: its GPUs, or 1
    sbatch: [--time=24:00:00]        # options of every job with --slurm
    stages:
      pretrain:
        program: pretrain            # python -m pretrain RECIPE KEY=VALUE ... run=FOLDER/pretrain
        recipe: surgery_base
        set: {data.source: /videos}
      finetune:
        program: finetune
        recipe: phases_base
        set: {backbone.weights: "${pretrain}/encoder.safetensors"}
        processes: 1                 # a stage may have its own `processes` and `sbatch`
      evaluate:
        program: finetune evaluate   # python -m finetune evaluate ARGUMENTS, always one process
        arguments: ["${finetune}/predictions_test.npz", --out, "${evaluate}"]

`${stage}` is the folder of a stage. A path in that folder may follow it, up to the end of the
text. A stage that refers to another one runs after it; otherwise stages run in the order of the
file. YAML anchors and merge keys (`<<`) may share settings.

**Records.** `FOLDER/chain.json` has for each stage: its command; the sha256 of its recipe file, of
each input and of each output that another stage reads; start, end and exit status. The digest of a
safetensors file does not depend on the order of its header. The digest of a folder is that of its
newest checkpoint and its weights if it is a run folder, and of all its files otherwise. A change of
`processes` or of the chain's `folder` is not a change of a stage.

**What happens to a stage**, decided again before each one starts:

| state | action |
|---|---|
| complete; same command and inputs; outputs unchanged | skip |
| never started, or failed before it wrote anything | run |
| killed, stopped or failed | same command again: runs resume by themselves |
| complete, but its folder or an output is missing | run again in the same folder |
| complete, but its command or recipe changed | run again; the program may refuse to resume |
| the same, for a stage with `arguments` | archive its folder, run again |
| an input changed since its folder was created | refuse |
| the same, for a stage with `arguments` | archive its folder, run again |
| an output changed, or its folder has files but no record | refuse |

Before the first stage starts, `--check` asks the programs of all stages whether they accept their
recipes and settings.

A run cannot know that its initial weights were replaced; therefore the chain refuses changed inputs
before it starts anything. `--redo STAGE` archives this stage and all that depend on it as
`STAGE.old-1`: folder, log and record. Nothing is ever deleted. If a recipe is edited while the
chain runs, the chain does not stop: later stages use what exists, with a warning.

**Processes.** A stage runs in its own process group. If the chain is killed, the whole group is
killed, also below the deepspeed launcher; srun is asked to stop its tasks. The same command resumes
the stage. Its output goes to the terminal and to `STAGE.log`. While the disk is full, up to 1 MiB
of it waits in memory; while the terminal is stopped (Ctrl-S), a stage that prints much waits too.

**Exit status.** 0: all stages are complete. 75: a stage has saved and stopped after a signal, or
the chain received the signal between two stages; the same command resumes. Otherwise it is the exit
status of the stage that failed. Ctrl-C, SIGTERM, SIGUSR1 and SIGHUP (as SIGTERM) are forwarded to
the running stage, and the chain waits for its end; a second Ctrl-C ends the stage at once.

**SLURM.** Inside an allocation stages start under srun, with the tasks of the job. `--slurm`
submits one job per stage, which starts after the jobs that it depends on and requeues itself.
"""

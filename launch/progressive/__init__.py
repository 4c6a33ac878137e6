"""Stages one after the other, as one resumable chain: `python -m launch progressive CHAIN.yaml`.

A chain file says what is run and what each stage takes from those before it:

    folder: runs/cholec80            # of chain.json, logs and stages' folders; else runs/FILE
    processes: 2                     # of a stage on this machine; its GPUs, or 1, where not given
    sbatch: [--time=24:00:00]        # options of every job under --slurm
    stages:
      pretrain:
        program: pretrain            # python -m pretrain RECIPE KEY=VALUE ... run=FOLDER/pretrain
        recipe: surgery_base
        set: {data.source: /videos}
      finetune:
        program: finetune
        recipe: phases_base
        set: {backbone.weights: "${pretrain}/encoder.safetensors"}
        processes: 1                 # and `sbatch`: this stage's own
      evaluate:
        program: finetune evaluate   # python -m finetune evaluate ARGUMENTS, always one process
        arguments: ["${finetune}/predictions_test.npz", --out, "${evaluate}"]

`${stage}` is FOLDER/stage and begins a path that runs to the end of its string. Naming another
stage makes this one follow it; stages run in the order of the file where that allows it. A mapping
may be shared by YAML's anchors and `<<`.

**What is recorded.** `FOLDER/chain.json` holds for each stage its command, the sha256 of its recipe
file, of each file that it takes from other stages and of each file that others take from it, when
it began and ended, and its exit status. Of safetensors it is the sha256 with the header's entries
in order, which the format leaves to chance. A folder that is taken whole is known by its newest
checkpoint and its weights where it is a run folder, else by all its files. Processes may differ
from start to start, and a complete chain's folder may be moved: neither is part of the command.

**What a start does with a stage**, judged anew before each:

| what is found | what happens |
|---|---|
| complete, command and inputs as recorded, outputs unchanged | it is skipped |
| never begun, or it failed before it left anything | it is run |
| killed, stopped or failed | the same command again: runs resume by themselves |
| complete, but its folder or an output is gone | it is run again where it is |
| complete, but its command or recipe changed | the program decides whether its run may go on |
| the same of a stage with `arguments` | its folder is put aside, and it is run again |
| an input changed since the folder was begun | it is refused |
| the same of a stage with `arguments` | its folder is put aside, and it is run again |
| an output changed, or the folder's contents are not the chain's | it is refused |

Before the first stage is started, the programs of all that are to run are asked whether they take
their recipes and settings (`--check`).

A run in a folder cannot see that its first weights were replaced, so the chain refuses on its
behalf, in one line, before anything is started. `--redo STAGE` puts that stage and all that follow
from it aside, as `STAGE.old-1`: folder, log and record. Nothing is ever deleted. A recipe that is
edited while the chain is at work does not stop it: what follows takes what was left, and is told.

**A stage that is still running** because its chain was killed (`kill -9`) is waited for, and its
command is given again, which finds it complete. Its output goes on into `STAGE.log` meanwhile.

**How it ends.** 0: all complete. 75: a stage was asked to stop and has saved, or the chain was
asked between two stages; the same command goes on. Else the exit status of the stage that failed.
Ctrl-C, SIGTERM, SIGUSR1 and the loss of the terminal are handed on to the running stage, for which
the chain waits; a second Ctrl-C is handed on too, and ends it at once.

**In an allocation** of SLURM stages start under srun, with the tasks of the job. `--slurm` submits
a job a stage, each of which waits for those that it takes files from and requeues itself.
"""

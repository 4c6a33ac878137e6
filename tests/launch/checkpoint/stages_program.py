"""Trains a small network at ZeRO stages 0 to 3; run by tests of checkpoints and skipped steps.

    stages_program.py FOLDER save|resume|skip|skipped [STAGE_OF_THE_CHECKPOINT]

Writes FOLDER/losses-MODE-WORLD.json: for each optimizer and stage, such as `lion-2`, the losses of
all steps. `skip` has a loss on its last process that is not finite, `skipped` leaves that step out.
"""

import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from launch.checkpoint.loader import load_checkpoint
from launch.checkpoint.saver import Saver
from launch.checkpoint.store import find_checkpoint
from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import all_reduce_sum, detect_processes, init_process_group
from launch.training.engine import Engine
from tests.launch.training.optimizers import KINDS, RUNS

STEPS, SAVED_AT, CLIPS, BAD = 24, 4, 16, 2
RATES = {"adamw": 1e-2, "lion": 1e-3, "sgd": 1.0}


def build(kind: str, stage: int, processes) -> Engine:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 70), torch.nn.GELU(), torch.nn.LayerNorm(70), torch.nn.Linear(70, 30)
    )
    batch = BatchConfig(global_batch_size=CLIPS, micro_batch_size=4)
    config = EngineConfig(zero_stage=stage, precision="fp32", clip_grad_norm=0.5)
    model[2].weight.requires_grad = False
    halved = {"0.weight": 0.5, "0.bias": 0.5}  # a learning rate of their own
    return Engine(
        model, batch, KINDS[kind](), config, processes, lambda name: halved.get(name, 1.0)
    )


def losses(
    engine: Engine, kind: str, processes, steps: Sequence[int], bad: int = -1
) -> list[float]:
    out = []
    for step in steps:
        clips = torch.randn(CLIPS, 30, generator=torch.Generator().manual_seed(step))
        total = torch.zeros(())
        for part in clips.chunk(processes.world_size)[processes.rank].split(4):
            loss = (engine.forward(part) - part.roll(1, 1)).square().mean()
            if step == bad and processes.rank == processes.world_size - 1:
                loss = loss * math.inf
            engine.backward(loss)
            engine.step(RATES[kind], 0.05)
            total += loss.detach()
        assert bool(engine.skipped) == (step == bad), (step, engine.skipped)
        out.append(float(all_reduce_sum(total)) / (CLIPS / 4))
    return out


def resumed(engine: Engine, kind: str, folder: Path, processes) -> list[float]:
    checkpoint = find_checkpoint(folder, processes, print)
    load_checkpoint(checkpoint, engine)
    return losses(engine, kind, processes, range(checkpoint.step, STEPS))


def saved(engine: Engine, kind: str, folder: Path, processes) -> list[float]:
    before = losses(engine, kind, processes, range(SAVED_AT))
    saver = Saver(folder, processes, CheckpointConfig(), print)
    saver.save(SAVED_AT, engine, {"tries": 5})
    saver.close()
    return before + losses(engine, kind, processes, range(SAVED_AT, STEPS))


def skip(engine: Engine, kind: str, folder: Path, processes) -> list[float]:
    return losses(engine, kind, processes, range(SAVED_AT), bad=BAD)


def skipped(engine: Engine, kind: str, folder: Path, processes) -> list[float]:
    return losses(engine, kind, processes, [step for step in range(SAVED_AT) if step != BAD])


MODES = {"save": saved, "resume": resumed, "skip": skip, "skipped": skipped}


def main() -> None:
    root, mode = Path(sys.argv[1]), sys.argv[2]
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    results = {}
    for kind, stage in RUNS:
        stored = int(sys.argv[3]) if len(sys.argv) > 3 else stage
        if (kind, stored) in RUNS:
            engine, folder = build(kind, stage, processes), root / f"{kind}-{stored}"
            results[f"{kind}-{stage}"] = MODES[mode](engine, kind, folder, processes)
    if processes.is_rank0:
        file = root / f"losses-{mode}-{processes.world_size}.json"
        file.write_text(json.dumps(results))
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # gloo may abort in the interpreter's exit after ZeRO 3


if __name__ == "__main__":
    main()

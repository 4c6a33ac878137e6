"""Trains a small network in fp16 at ZeRO stages 1 to 3, saves it and goes on with it.

    fp16_program.py FOLDER OPTIMIZER

DeepSpeed refuses fp16 on a CPU, though its own and PyTorch's code run there; only that check is
taken out. Prints a JSON object by stage: losses, what was skipped, and the state of the scaler.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from launch.checkpoint.loader import load_checkpoint
from launch.checkpoint.saver import Saver
from launch.checkpoint.store import find_checkpoint
from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import detect_processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import OPTIMIZERS

CLIPS, OVERFLOWS, SAVED_AT, STEPS = 8, (2, 3), 4, 8


def build(stage: int, processes) -> Engine:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(30, 70), torch.nn.GELU(), torch.nn.Linear(70, 30))
    batch = BatchConfig(global_batch_size=CLIPS, micro_batch_size=CLIPS // processes.world_size)
    config = EngineConfig(zero_stage=stage, precision="fp16")
    return Engine(model, batch, OPTIMIZERS[sys.argv[2]](), config, processes)


def train(engine: Engine, processes, steps: range) -> list[tuple]:
    out = []
    for step in steps:
        clips = torch.randn(CLIPS, 30, generator=torch.Generator().manual_seed(step)).half()
        part = clips.chunk(processes.world_size)[processes.rank]
        loss = (engine.forward(part).float() - part.float().roll(1, 1)).square().mean()
        # the scale makes the gradient too large for fp16, the loss is finite
        engine.backward(loss * 5000 if step in OVERFLOWS else loss)
        engine.step(1e-2 if sys.argv[2] == "adamw" else 1e-3, 0.05)
        out.append((float(loss), bool(engine.skipped), engine.loss_scale))
    return out


def main() -> None:
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    from deepspeed.accelerator import get_accelerator

    type(get_accelerator()).is_fp16_supported = lambda self: True
    results = {}
    for stage in (1, 2, 3):
        folder = Path(sys.argv[1]) / str(stage)
        engine = build(stage, processes)
        whole = train(engine, processes, range(SAVED_AT))
        saver = Saver(folder, processes, CheckpointConfig(), print)
        saver.save(SAVED_AT, engine, {})
        saver.close()
        whole += train(engine, processes, range(SAVED_AT, STEPS))
        again = build(stage, processes)
        load_checkpoint(find_checkpoint(folder, processes, print), again)
        scalars = again.scalars()
        results[stage] = {
            "whole": whole,
            "resumed": train(again, processes, range(SAVED_AT, STEPS)),
            "scalars": scalars,
        }
    if processes.is_rank0:
        print(json.dumps(results))
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)


main()

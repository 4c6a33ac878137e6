"""Counts where the host would wait for a GPU in training steps; run by test_waiting.

    waiting_program.py STAGE PRECISION OPTIMIZER

Prints a JSON object: the waits of each step, the weights' change by a bad step, and by a good one.
"""

import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import detect_processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import OPTIMIZERS
from tests.launch.training.waits import waits_of


def main() -> None:
    stage, precision = int(sys.argv[1]), sys.argv[2]
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(30, 70), torch.nn.GELU(), torch.nn.Linear(70, 30))
    config = EngineConfig(zero_stage=stage, precision=precision, clip_grad_norm=0.01)
    engine = Engine(model, BatchConfig(8, 4), OPTIMIZERS[sys.argv[3]](), config, processes)
    dtype = next(engine.model.parameters()).dtype
    clips = torch.randn(4, 30, dtype=dtype)

    def step(factor: float = 1.0) -> None:
        for _ in range(engine.accumulation):
            loss = (engine.forward(clips) - clips).float().square().mean() * factor
            engine.backward(loss)
            engine.step(1e-2, 0.05)

    def weights() -> torch.Tensor:
        return torch.cat([w.detach().float().flatten() for w in engine.model.parameters()])

    step()
    waits = [waits_of(step) for _ in range(3)]
    norm, before = engine.grad_norm, weights()
    step(math.inf)
    skipped, after, scalars = bool(engine.skipped), weights(), engine.scalars()
    step()
    print(
        json.dumps(
            {
                "waits": waits,
                "norm": norm,
                "skipped": skipped,
                "steps": scalars.get("optimizer_steps"),
                "bad": float((after - before).abs().max()),
                "good": float((weights() - after).abs().max()),
                "well": not bool(engine.skipped),
            }
        )
    )
    engine.close()


if __name__ == "__main__":
    main()

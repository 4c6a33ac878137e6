"""Steps of a real engine at ZeRO 0 to 3, whose collectives are counted; run by its tests.

    traffic_program.py PRECISION ACCUMULATION [ZERO_SETTINGS_AS_JSON]

Prints, by stage, the bytes of the last step by kind, and the model's values. ZERO_SETTINGS replace
those that the engine gives to DeepSpeed.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

import launch.training.engine
from benchmarks.comm_trace import CountedCollectives
from launch.capacity.comm_cost import RESIDENT_BELOW
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import detect_processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig

STEPS, WIDTH, CLIPS = 3, 360, 4


def build() -> torch.nn.Module:
    torch.manual_seed(0)
    nn = torch.nn
    blocks = [
        nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH)) for _ in range(4)
    ]
    return nn.Sequential(*blocks)


def counted(stage: int, precision: str, accumulation: int, processes) -> dict:
    """Of the last step: the first one has to find the order in which ZeRO 3 needs the weights."""

    model = build()
    sizes = [parameter.numel() for parameter in model.parameters()]
    batch = BatchConfig(
        global_batch_size=CLIPS * accumulation * processes.world_size, micro_batch_size=CLIPS
    )
    config = EngineConfig(zero_stage=stage, precision=precision, clip_grad_norm=1.0)
    engine = Engine(model, batch, AdamWConfig(), config, processes)
    for _ in range(STEPS):
        with CountedCollectives(processes.world_size) as seen:
            for _ in range(accumulation):
                clips = torch.randn(CLIPS, WIDTH, dtype=next(engine.model.parameters()).dtype)
                engine.backward((engine.forward(clips) - clips).float().square().mean())
                engine.step(1e-3, 0.05)
    resident = sum(size for size in sizes if size < RESIDENT_BELOW)
    return {"sent": seen.sent_by_kind(), "values": sum(sizes), "resident": resident}


def tell_deepspeed(zero: dict) -> None:
    ours = launch.training.engine.build_deepspeed_config

    def changed(*arguments) -> dict:
        settings = ours(*arguments)
        settings["zero_optimization"] |= zero
        return settings

    launch.training.engine.build_deepspeed_config = changed


def main() -> None:
    precision, accumulation = sys.argv[1], int(sys.argv[2])
    if len(sys.argv) > 3:
        tell_deepspeed(json.loads(sys.argv[3]))
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    stages = range(4) if precision == "fp32" else range(1, 4)
    results = {stage: counted(stage, precision, accumulation, processes) for stage in stages}
    if processes.is_rank0:
        print(json.dumps(results))
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # gloo may abort in the interpreter's exit after ZeRO 3


if __name__ == "__main__":
    main()

"""Steps of a real engine at ZeRO 0 to 3, whose living tensors are counted; run by its tests.

    memory_program.py PRECISION BUCKETS OPTIMIZER

Prints, by stage, the most bytes that are alive at once, and the model's values. BUCKETS: into how
many the gradients are split.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

import launch.training.deepspeed_config
from launch.capacity.model_memory import LiveBytes
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import detect_processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import OPTIMIZERS

STEPS, WIDTH, LAYERS, ACCUMULATION = 2, 512, 40, 2


def peak(stage: int, precision: str, processes) -> int:
    torch.manual_seed(0)
    batch = BatchConfig(global_batch_size=ACCUMULATION * processes.world_size, micro_batch_size=1)
    config = EngineConfig(zero_stage=stage, precision=precision, clip_grad_norm=1.0)
    with LiveBytes() as live:
        model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
        engine = Engine(model, batch, OPTIMIZERS[sys.argv[3]](), config, processes)
        for _ in range(STEPS * ACCUMULATION):
            clip = torch.randn(1, WIDTH, dtype=next(engine.model.parameters()).dtype)
            engine.backward((engine.forward(clip) - clip).float().square().mean())
            engine.step(1e-3, 0.05)
    return live.peak


def main() -> None:
    precision, buckets = sys.argv[1], int(sys.argv[2])
    values = LAYERS * WIDTH * (WIDTH + 1)
    launch.training.deepspeed_config.REDUCE_BUCKET = values // buckets
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    stages = range(4) if precision == "fp32" else range(1, 4)
    peaks = {stage: peak(stage, precision, processes) for stage in stages}
    if processes.is_rank0:
        print(json.dumps({"values": values, "peaks": peaks}))
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # gloo may abort in the interpreter's exit after ZeRO 3


if __name__ == "__main__":
    main()

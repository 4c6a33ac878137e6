"""Bytes sent and memory used by each process in a training step, compared with theory.

    python -m benchmarks.scaling [--worlds 1 2 4] [--stages 0 1 2 3] [--precision fp32]

Runs the engine on 1, 2 and 4 processes with gloo, at ZeRO 0 to 3, with the same clips, masks and
weights. Collectives are recorded where torch.distributed dispatches them to the backend; their
bytes are those of a ring algorithm (gloo may use another one). `paper` is the count of ZeRO's paper
(Rajbhandari et al., SC 2020), `model` that of launch/capacity/comm_cost.py for DeepSpeed. Time is
not measured, because the processes share the cores of one machine.
"""

import argparse
import json
import os
import socket
import subprocess
import sys

from benchmarks.scaling_config import RankMeasurement, StepSetting
from launch.capacity.comm_cost import BytesSent, sent_by_deepspeed, sent_by_paper
from launch.capacity.model_memory import ModelMemory
from launch.capacity.zero_memory import CPU_PROGRAM, device_memory
from launch.training.deepspeed_config import REDUCE_BUCKET
from launch.training.optimizer import AdamWConfig
from pretrain.planning.memory import autoencoder_memory
from video.text_table import format_table

MIB = 2**20
VALUE_BYTES = {"fp32": 4, "bf16": 2}
SENT_HEADER = (
    "processes",
    "ZeRO",
    "accumulated",
    "gradients MB",
    "weights MB",
    "collectives",
    "paper MB",
    "of paper",
    "model MB",
    "of model",
    "loss error",
)
MEMORY_HEADER = (
    "processes",
    "ZeRO",
    "weights",
    "share",
    "gradients",
    "share",
    "optimizer",
    "share",
    "tensors",
    "planned",
    "process",
    "planned",
)


def run(setting: StepSetting, world_size: int) -> RankMeasurement:
    """Starts the processes as a launcher does, and waits for them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.scaling_worker", json.dumps(setting._asdict())]
    running = []
    for rank in range(world_size):
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size}
        rendezvous = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "LOCAL_WORLD_SIZE": world_size,
        }
        environment = {key: str(value) for key, value in {**ranks, **rendezvous}.items()}
        running.append(
            subprocess.Popen(
                command,
                env={**os.environ, **environment},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    outcomes = [process.communicate() for process in running]
    for process, (_, error) in zip(running, outcomes, strict=True):
        if process.returncode:
            raise RuntimeError(f"one of {world_size} processes failed: {error}")
    return RankMeasurement(**json.loads(outcomes[0][0].splitlines()[-1]))


def sent_row(
    setting: StepSetting, world_size: int, measured: RankMeasurement, first: RankMeasurement
) -> list[str]:
    """Bytes sent, compared with both counts; the loss, compared with that of the first row."""
    accumulation = setting.clips // setting.micro_batch_size // world_size
    size = VALUE_BYTES[setting.precision]
    step = setting.stage, measured.values, world_size, size, accumulation
    paper, modelled = sent_by_paper(*step), sent_by_deepspeed(*step, measured.resident)
    sent = BytesSent(
        sum(measured.sent.get(kind, 0) for kind in ("all_reduce", "reduce", "reduce_scatter")),
        sum(measured.sent.get(kind, 0) for kind in ("all_gather", "broadcast")),
    )
    loss_error = max(abs(a / b - 1) for a, b in zip(measured.losses, first.losses, strict=True))
    return [
        str(world_size),
        str(setting.stage),
        str(accumulation),
        f"{sent.gradients / 1e6:.2f}",
        f"{sent.weights / 1e6:.2f}",
        str(measured.collectives),
        f"{paper.total / 1e6:.2f}",
        _ratio(sent, paper),
        f"{modelled.total / 1e6:.2f}",
        _ratio(sent, modelled),
        f"{loss_error:.0e}",
    ]


def _ratio(sent: BytesSent, theory: BytesSent) -> str:
    return f"{sent.total / theory.total:.4f}" if theory.total else "-"


def shares(stage: int, values: int, world_size: int, precision: str) -> tuple[float, ...]:
    """Bytes of weights, gradients and optimizer with master weights (ZeRO, section 5).

    At stage 0 in float32 there are no separate master weights.
    """
    size, part = VALUE_BYTES[precision], values / world_size
    return (
        size * (part if stage == 3 else values),
        size * (part if stage >= 2 else values),
        12 * part if stage else 8 * values,
    )


def memory_row(
    setting: StepSetting, world_size: int, measured: RankMeasurement, needs: ModelMemory
) -> list[str]:
    """Memory between backward pass and update, and measured peaks next to the planned ones."""
    measured_bytes = [measured.memory[name] for name in ("weights", "gradients", "optimizer")]
    expected = shares(setting.stage, measured.values, world_size, setting.precision)
    plan = device_memory(
        needs,
        AdamWConfig(),
        setting.stage,
        setting.precision,
        world_size,
        setting.micro_batch_size,
        offload=False,
        on_gpu=False,
    )
    columns = [size for pair in zip(measured_bytes, expected, strict=True) for size in pair]
    columns += [measured.peak, plan.total - CPU_PROGRAM, measured.process, plan.total]
    return [str(world_size), str(setting.stage), *(f"{size / MIB:.1f}" for size in columns)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--worlds", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--stages", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--precision", choices=VALUE_BYTES, default="fp32")
    parser.add_argument("--size", default="small")
    parser.add_argument("--image", type=int, default=80, help="image side in pixels (80)")
    parser.add_argument("--clips", type=int, default=8, help="clips per step, of all processes (8)")
    parser.add_argument("--micro-batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4, help="3 or more (4)")
    parser.add_argument("--activation-checkpointing", action="store_true")
    options = parser.parse_args()
    sent, memory, first = [list(SENT_HEADER)], [list(MEMORY_HEADER)], None
    for world_size in options.worlds:
        for stage in options.stages:
            setting = StepSetting(
                stage,
                options.precision,
                options.size,
                options.image,
                options.clips,
                options.micro_batch,
                options.steps,
                options.activation_checkpointing,
            )
            config = setting.config()
            measured = run(setting, world_size)
            first = first or measured
            needs = autoencoder_memory(
                config, setting.precision, setting.activation_checkpointing, on_gpu=False
            )
            sent.append(sent_row(setting, world_size, measured, first))
            memory.append(memory_row(setting, world_size, measured, needs))
            print(f"{world_size} processes, ZeRO {stage}: measured", file=sys.stderr, flush=True)
    assert first
    print(
        f"{options.size}, {first.values / 1e6:.2f} M parameters, {options.image} x "
        f"{options.image}, {options.clips} clips a step, micro-batches of "
        f"{options.micro_batch}, {options.precision}; step {options.steps}, per process"
    )
    print("\nsent", *format_table(sent), sep="\n")
    bucket = VALUE_BYTES[options.precision] * min(REDUCE_BUCKET, first.values)
    print(
        "\nMiB between backward pass and update; from ZeRO 1 on gradients include DeepSpeed's "
        f"bucket of {bucket / MIB:.1f}; share is ZeRO's; then peaks of tensors and of the process"
    )
    print(*format_table(memory), sep="\n")


if __name__ == "__main__":
    main()

"""One process of `benchmarks.scaling`: measures communication and memory of real steps.

    RANK=0 LOCAL_RANK=0 WORLD_SIZE=1 python -m benchmarks.scaling_worker SETTING_AS_JSON

Rank 0 prints one line of JSON, averaged over all processes.
"""

import gc
import json
import os
import sys
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.comm_trace import CountedCollectives
from benchmarks.scaling_config import RankMeasurement, StepSetting
from launch.capacity.comm_cost import RESIDENT_BELOW
from launch.capacity.model_memory import LiveBytes
from launch.distributed.process_group import (
    Processes,
    all_reduce_sum,
    detect_processes,
    gather_objects,
    init_process_group,
)
from launch.metrics.step_meter import memory_gib
from launch.training.engine import Engine
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.loss import build_objective


class MeasuredRank:
    """The engine of a process, and its share of the clips."""

    def __init__(self, config: PretrainConfig, processes: Processes) -> None:
        self.config, self.processes = config, processes
        # keeps references, so that no id is reused
        self.earlier_tensors = {id(tensor): tensor for tensor in _tensors()}
        torch.manual_seed(config.seed)
        model = MaskedAutoencoder(
            config.encoder, config.decoder, recompute=config.engine.activation_checkpointing is True
        )
        sizes = [parameter.numel() for parameter in model.parameters()]
        self.values = sum(sizes)
        self.resident = sum(size for size in sizes if size < RESIDENT_BELOW)
        self.engine = Engine(model, config.batch, config.optimizer, config.engine, processes)
        self.objective = build_objective(config.encoder, config.target, config.loss)
        self.memory: dict[str, int] = {}

    def step(self, number: int) -> float:
        """Trains on the clips of a step; returns the mean loss over all processes."""
        micro_batch = self.config.batch.micro_batch
        total = torch.zeros(())
        for part in range(self.engine.accumulation):
            first = (self.processes.rank * self.engine.accumulation + part) * micro_batch
            clip, visible, decoded = _batch(self.config, number, first)
            prediction = self.engine.forward(clip, visible, decoded)
            target = self.objective.target.compute(clip, decoded)
            loss = self.objective.token_errors(prediction, target, visible, decoded).loss()
            self.engine.backward(loss)
            total += loss.detach()
            del clip, visible, decoded, prediction, target, loss
            if part == self.engine.accumulation - 1:
                self.memory = self._memory()
            self.engine.step(1e-3, 0.05)
        micro_batches = self.engine.accumulation * self.processes.world_size
        return float(all_reduce_sum(total)) / micro_batches

    def _memory(self) -> dict[str, int]:
        """Bytes of the storages between the backward pass and the update."""
        model = self.engine.model
        weights = [(each, getattr(each, "ds_tensor", None)) for each in model.parameters()]
        fragments = [piece for each in self.engine.fragments() for piece in each.tensors.values()]
        new_tensors = [each for each in _tensors() if id(each) not in self.earlier_tensors]
        gradients = [each.grad for each in model.parameters()]
        parts: dict[str, list[Any]] = {
            "weights": [tensor for pair in weights for tensor in pair],
            "buffers": list(model.buffers()),
            "optimizer": fragments,
            "gradients": [*gradients, *new_tensors],  # and all other tensors of the engine
        }
        memory, counted = dict[str, int](), set[int]()
        for name, tensors in parts.items():
            storages = [tensor.untyped_storage() for tensor in tensors if tensor is not None]
            sizes = {storage._cdata: storage.nbytes() for storage in storages}
            memory[name] = sum(size for key, size in sizes.items() if key not in counted)
            counted |= set(sizes)
        return memory


def _tensors() -> list[Tensor]:
    gc.collect()
    return [each for each in gc.get_objects() if issubclass(type(each), Tensor)]


def _batch(config: PretrainConfig, step: int, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clips of a step from number `first` on; they do not depend on the process."""
    encoder = config.encoder
    numbers = range(first, first + config.batch.micro_batch)
    shape = (encoder.num_frames, *encoder.image_size, encoder.channels)
    clips = [
        np.random.default_rng((config.seed, step, number)).integers(0, 256, shape, np.uint8)
        for number in numbers
    ]
    rngs = [np.random.default_rng((config.seed, step, number, 1)) for number in numbers]
    visible, decoded = map(torch.from_numpy, config.masking.draw(encoder.grid, rngs))
    return torch.from_numpy(np.stack(clips)), visible, decoded


def measure(config: PretrainConfig, processes: Processes, steps: int) -> RankMeasurement:
    """Measures real steps; the first two let DeepSpeed allocate buffers and trace the layers."""
    with LiveBytes() as live:
        rank = MeasuredRank(config, processes)
        losses = [rank.step(0), rank.step(1)]
    for number in range(2, steps):
        with CountedCollectives(processes.world_size) as counted:
            losses.append(rank.step(number))
    return RankMeasurement(
        rank.values,
        rank.resident,
        counted.sent_by_kind(),
        len(counted.collectives),
        rank.memory,
        live.peak,
        round(memory_gib(processes.device) * 2**30),
        losses,
    )


def _over_processes(parts: list[RankMeasurement]) -> RankMeasurement:
    """Means over the processes of all values that may differ."""
    first = parts[0]

    def average(mappings: list[dict[str, Any]]) -> dict[str, Any]:
        return {name: mean(each[name] for each in mappings) for name in mappings[0]}

    return first._replace(
        sent=average([part.sent for part in parts]),
        memory=average([part.memory for part in parts]),
        peak=round(mean(part.peak for part in parts)),
        process=round(mean(part.process for part in parts)),
    )


def main() -> None:
    setting = StepSetting(**json.loads(sys.argv[1]))
    processes = detect_processes(os.environ)
    init_process_group(processes, 600)
    measured = measure(setting.config(), processes, setting.steps)
    parts = gather_objects(measured)
    if processes.is_rank0:
        print(json.dumps(_over_processes(parts)._asdict()), flush=True)
    torch.distributed.barrier()
    os._exit(0)  # after ZeRO 3, gloo may abort at interpreter exit


if __name__ == "__main__":
    main()

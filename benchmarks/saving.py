"""Time that training waits for a checkpoint, compared with a copy of the same bytes in memory.

`python -m benchmarks.saving [--parameters 24] [--rounds 9] [--folder F]` saves a real DeepSpeed
engine (ZeRO stage 2, float32) with that many million parameters into F (default: a temporary
folder). Interleaved: a copy in memory, `torch.save` with fsync as in published code, our save, and
our save with checkpoint.async_save. For the last one only the blocking time counts; the time of the
background write and its slow-down of matrix products are reported separately.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from launch.checkpoint.saver import Saver
from launch.config import BatchConfig, CheckpointConfig, EngineConfig
from launch.distributed.process_group import Processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig

WIDTH = 1024


def build(millions: float) -> Engine:
    layers = max(1, round(millions * 1e6 / WIDTH**2))
    model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(layers)))
    batch = BatchConfig(global_batch_size=4, micro_batch_size=4)
    config = EngineConfig(precision="fp32")
    return Engine(model, batch, AdamWConfig(), config, Processes())


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class SaveMethods:
    """The methods of saving; each returns the seconds that a training loop would wait."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._tensors = [
            tensor for fragment in engine.fragments() for tensor in fragment.tensors.values()
        ]
        self.gibibytes = sum(tensor.nbytes for tensor in self._tensors) / 2**30
        self._copies = [torch.empty_like(tensor) for tensor in self._tensors]
        self._step = 0
        blocking = CheckpointConfig(keep_last=1)
        background = CheckpointConfig(keep_last=1, async_save=True)
        self._blocking = Saver(folder / "blocking", Processes(), blocking, print)
        self._background = Saver(folder / "background", Processes(), background, print)
        self.disk_seconds: list[float] = []
        self.slow_downs: list[float] = []

    def copy(self) -> float:
        return seconds(lambda: [copy.copy_(t) for copy, t in self._pairs()])

    def torch_save(self) -> float:
        def save() -> None:
            with (self._folder / "torch_save.pth").open("wb") as file:
                torch.save(self._tensors, file)
                os.fsync(file.fileno())

        return seconds(save)

    def blocking(self) -> float:
        self._step += 1
        return seconds(lambda: self._blocking.save(self._step, self._engine, {}))

    def background(self) -> float:
        self._step += 1
        undisturbed = seconds(_work)
        wait = seconds(lambda: self._background.save(self._step, self._engine, {}))
        start, work_seconds = time.perf_counter(), []
        for _ in range(2):  # write the files, then commit the checkpoint
            while self._background.is_busy:
                work_seconds.append(seconds(_work))
            wait += seconds(lambda: self._background.poll(busy=False))
        self.disk_seconds.append(time.perf_counter() - start)
        self.slow_downs += [work / undisturbed for work in work_seconds]
        return wait

    def _pairs(self) -> zip:
        return zip(self._copies, self._tensors, strict=True)


def _work() -> None:
    square = torch.ones(WIDTH, WIDTH)
    for _ in range(8):
        square = square @ square * 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--parameters", type=float, default=24, help="millions (24: ViT-S)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    init_process_group(Processes(), 600)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        methods = SaveMethods(build(options.parameters), Path(folder))
        by_name = {
            "a copy in memory": methods.copy,
            "torch.save with fsync": methods.torch_save,
            "checkpoint": methods.blocking,
            "checkpoint.async_save": methods.background,
        }
        waits: dict[str, list[float]] = {name: [] for name in by_name}
        for number in range(options.rounds + 1):  # the first round allocates buffers
            for name, method in by_name.items():
                wait = method()
                if number:
                    waits[name].append(wait)
    print(
        f"{methods.gibibytes:.2f} GiB of state; blocking time, medians of {options.rounds} rounds"
    )
    copy = statistics.median(waits["a copy in memory"])
    for name, values in waits.items():
        median = statistics.median(values)
        print(f"  {name:24} {1e3 * median:8.0f} ms  {median / copy:6.1f} x the copy")
    disk, slow = statistics.median(methods.disk_seconds), statistics.median(methods.slow_downs)
    print(
        f"  the background write took {1e3 * disk:.0f} ms; matrix products took "
        f"{slow:.2f} x as long meanwhile"
    )


if __name__ == "__main__":
    main()

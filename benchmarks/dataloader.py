"""The dataloader beside reading alone: clips/s and CPU time per clip, with 1 and 2 processes.

    python -m benchmarks.dataloader [--rounds 7] [--folder DIR]

Reading alone is the same number of processes that decode and crop the same clips and pass nothing
on. Rounds are interleaved. CPU time is that of the workers and of the training process, which only
takes the batches. `touched`: it also reads every byte once, as a step on a CPU or a copy does.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.recordings import prepared, raw_recording
from launch.config import BatchConfig
from launch.distributed.process_group import Processes
from launch.rng import sample_rng
from pretrain.config import PretrainConfig
from pretrain.data import open_batches
from pretrain.data_config import PretrainDataConfig
from pretrain.sources import Sources, plans_of
from video.clip_reader import ClipReader
from video.clip_sampler import ClipSampler
from video.config import Sampling
from video.recording import Recording

MICRO_BATCH, MICRO_BATCHES, WARM = 16, 40, 6  # the first ones are not counted


class Speed(NamedTuple):
    """Of one measurement."""

    rate: float  # clips/s
    cpu: float  # ms per clip


def loader_speed(
    pack: Recording,
    workers: int,
    clips_per_read: int,
    touches: bool,
    micro_batches: int = MICRO_BATCHES,
) -> Speed:
    """After the first batches; the workers' start is not counted as CPU time either."""
    config, sources = _setup(pack, clips_per_read, workers)
    batches, _ = open_batches(config, sources, Processes(), range(micro_batches), 1)
    for _ in range(WARM):
        next(batches)
    # the workers have read ahead, and at the end read nothing more: both ends are left out
    start, before, clips = time.perf_counter(), _cpu_seconds(), 0
    for _ in range(micro_batches - WARM - 2 * workers):
        batch = next(batches)
        clips += len(batch.clip)
        if touches:
            batch.clip.flatten().view(torch.int64).sum()
    seconds, spent = time.perf_counter() - start, _cpu_seconds() - before
    return Speed(clips / seconds, 1e3 * spent / clips)


def reading_speed(pack: Recording, workers: int, clips_per_read: int) -> Speed:
    """Processes that read, each its share, and pass nothing on."""
    reads = MICRO_BATCHES * MICRO_BATCH // clips_per_read // workers
    receivers, children = [], []
    for worker in range(workers):
        receiver, sender = os.pipe()
        child = os.fork()
        if not child:
            os.close(receiver)
            found = _read(pack, worker, reads, clips_per_read)
            os.write(sender, " ".join(map(str, found)).encode())
            os._exit(0)
        os.close(sender)
        receivers.append(receiver)
        children.append(child)
    results = [list(map(float, os.read(receiver, 1000).split())) for receiver in receivers]
    for receiver, child in zip(receivers, children, strict=True):
        os.close(receiver)
        os.waitpid(child, 0)
    return Speed(sum(rate for rate, _ in results), statistics.mean(cpu for _, cpu in results))


def _read(pack: Recording, worker: int, reads: int, clips_per_read: int) -> Speed:
    torch.set_num_threads(1)
    config, sources = _setup(pack, clips_per_read, 1)
    sampler, augmentation = sources.sampler, config.data.augmentation
    reader = ClipReader([pack], sampler, augmentation, *config.encoder.image_size, clips_per_read)
    warm = WARM * MICRO_BATCH // clips_per_read // 2
    order = sampler.order(sample_rng(0, 0, worker, "order"))
    for number in range(reads):
        if number == warm:
            start, before = time.perf_counter(), time.process_time()
        position = int(order[number % len(order)])
        reader.read(position, lambda sample, stream: sample_rng(0, 0, sample, stream))
    clips = (reads - warm) * clips_per_read
    spent = time.process_time() - before
    return Speed(clips / (time.perf_counter() - start), 1e3 * spent / clips)


def _setup(pack: Recording, clips_per_read: int, workers: int) -> tuple[PretrainConfig, Sources]:
    data = PretrainDataConfig(
        source="unused",
        sampling=Sampling(frame_rate=6.25, seconds_per_clip=0.2),
        clips_per_read=clips_per_read,
        workers=workers,
    )
    config = PretrainConfig(run="unused", data=data, batch=BatchConfig(MICRO_BATCH, MICRO_BATCH))
    plans = plans_of(data)
    return config, Sources([pack], ClipSampler([pack], 16, plans), plans, "", 0)


def _cpu_seconds() -> float:
    """Of this process and its running children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    ticks = sum(
        sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
        for child in children
    )
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def measurements(pack: Recording, clips_per_read: int) -> Iterator[tuple[str, Speed]]:
    for workers in (1, 2):
        yield f"{workers} reading alone", reading_speed(pack, workers, clips_per_read)
        yield f"{workers} dataloader", loader_speed(pack, workers, clips_per_read, False)
        yield f"{workers} dataloader, touched", loader_speed(pack, workers, clips_per_read, True)


def print_speeds(pack: Recording, rounds: int) -> None:
    for clips_per_read in (1, 4):
        found: dict[str, list[Speed]] = {}
        for _ in range(rounds):
            for name, speed in measurements(pack, clips_per_read):
                found.setdefault(name, []).append(speed)
        print(f"\n{clips_per_read} clips per read{'':16}clips/s  of reading   CPU ms  of reading")
        for name, speeds in found.items():
            alone = found[f"{name[0]} reading alone"]
            rate = statistics.median(s.rate / a.rate for s, a in zip(speeds, alone, strict=True))
            cpu = statistics.median(a.cpu / s.cpu for s, a in zip(speeds, alone, strict=True))
            middle = [statistics.median(values) for values in zip(*speeds, strict=True)]
            print(f"{name:32}{middle[0]:7.0f}{rate:12.2f}{middle[1]:9.2f}{cpu:12.2f}", flush=True)
        for what in ("reading alone", "dataloader"):
            pairs = zip(found[f"2 {what}"], found[f"1 {what}"], strict=True)
            ratio = statistics.median(two.rate / one.rate for two, one in pairs)
            print(f"{what}: 2 workers are {ratio:.2f} times as fast as 1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "benchmark_recordings"
    )
    options = parser.parse_args()
    pack = prepared(raw_recording("480p", options.folder), options.folder, "jpeg", None)
    torch.set_num_threads(1)
    print_speeds(pack, options.rounds)


if __name__ == "__main__":
    main()

"""The clips of a run's looks: read once, apart, and kept by the process that encodes them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from launch.distributed.process_group import Processes
from pretrain.monitoring.probe_clips import ProbeClips
from video.eval_crop import EvalCrop
from video.progress import show_progress
from video.recording import Recording, UnreadableVideo
from video.worker_processes import Job, ProgressDisplay, ReportProgress, run_all


class ClipShare(NamedTuple):
    """What one process encodes: as many clips on each, black ones where there are fewer."""

    clips: UInt8[Tensor, "m t h w c"]
    numbers: list[int]  # of these clips among all
    failures: list[UnreadableVideo]


def read_share(
    moments: ProbeClips,
    processes: Processes,
    size: tuple[int, int],
    workers: int,
    patience: float,
    show: ProgressDisplay = show_progress,
    read: Callable[..., list[object]] | None = None,
) -> ClipShare:
    """Every so many-th of the clips. What cannot be read, or hangs, is left out and named.

    `read` stands for `read_clips`, in the process of a recording.
    """
    mine = range(processes.rank, len(moments.times), processes.world_size)
    by_recording: dict[int, list[int]] = {}
    for number in mine:
        by_recording.setdefault(moments.of[number], []).append(number)
    jobs = [
        Job(
            moments.recordings[which].path,
            read or read_clips,
            (moments.recordings[which], [moments.times[n] for n in numbers], size),
        )
        for which, numbers in by_recording.items()
    ]
    outcomes = run_all(jobs, max(workers, 1), patience, "features: reading", show, start="fork")
    clips: dict[int, Tensor] = {}
    failures = []
    for numbers, outcome in zip(by_recording.values(), outcomes, strict=True):
        if isinstance(outcome, UnreadableVideo):
            failures.append(outcome)
            continue
        for number, clip in zip(numbers, outcome, strict=True):
            if isinstance(clip, UnreadableVideo):
                failures.append(clip)
            else:
                clips[number] = torch.from_numpy(clip)
    numbers = sorted(clips)
    each = -(-len(moments.times) // processes.world_size)
    frames = len(moments.times[0])
    kept = torch.zeros(each, frames, *size, 3, dtype=torch.uint8)
    for place, number in enumerate(numbers):
        kept[place] = clips[number]
    return ClipShare(kept, numbers, failures)


def read_clips(
    recording: Recording,
    wanted: Sequence[Sequence[float]],
    size: tuple[int, int],
    tell: ReportProgress,
) -> list[object]:
    """Each clip as bytes [t h w c], or why it cannot be read."""
    torch.set_num_threads(1)  # those of the process that this one was copied from are not here
    found: list[object] = []
    for number, times in enumerate(wanted):
        try:
            found.append(EvalCrop(size).clip(recording, times).numpy())
        except UnreadableVideo as failure:
            found.append(failure)
        tell((number + 1) / len(wanted))
    return found

"""Reading of probe clips, in a process for each recording."""

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
    """The clips that one rank encodes: the same number on every rank, padded with black clips."""

    clips: UInt8[Tensor, "m t h w c"]
    numbers: list[int]  # of the clips that are not padding, among all probe clips
    failures: list[UnreadableVideo]


def read_share(
    clips: ProbeClips,
    processes: Processes,
    size: tuple[int, int],
    workers: int,
    timeout: float,
    show: ProgressDisplay = show_progress,
    read: Callable[..., list[object]] | None = None,
) -> ClipShare:
    """Reads the clips rank, rank + world size, ... Unreadable clips and timeouts are failures.

    `read` replaces `read_clips`, in the process of a recording.
    """
    own = range(processes.rank, len(clips.times), processes.world_size)
    by_recording: dict[int, list[int]] = {}
    for number in own:
        by_recording.setdefault(clips.recording_index[number], []).append(number)
    jobs = [
        Job(
            clips.recordings[index].path,
            read or read_clips,
            (clips.recordings[index], [clips.times[n] for n in numbers], size),
        )
        for index, numbers in by_recording.items()
    ]
    outcomes = run_all(jobs, max(workers, 1), timeout, "features: reading", show, start="fork")
    tensors: dict[int, Tensor] = {}
    failures = []
    for numbers, outcome in zip(by_recording.values(), outcomes, strict=True):
        if isinstance(outcome, UnreadableVideo):
            failures.append(outcome)
            continue
        for number, clip in zip(numbers, outcome, strict=True):
            if isinstance(clip, UnreadableVideo):
                failures.append(clip)
            else:
                tensors[number] = torch.from_numpy(clip)
    per_rank = -(-len(clips.times) // processes.world_size)
    frames = len(clips.times[0])
    padded = torch.zeros(per_rank, frames, *size, 3, dtype=torch.uint8)
    read_numbers = sorted(tensors)
    for row, number in enumerate(read_numbers):
        padded[row] = tensors[number]
    return ClipShare(padded, read_numbers, failures)


def read_clips(
    recording: Recording,
    clip_times: Sequence[Sequence[float]],
    size: tuple[int, int],
    report: ReportProgress,
) -> list[object]:
    """Each clip as bytes [t h w c], or the reason why it is unreadable."""
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    results: list[object] = []
    for number, times in enumerate(clip_times):
        try:
            results.append(EvalCrop(size).clip(recording, times).numpy())
        except UnreadableVideo as failure:
            results.append(failure)
        report((number + 1) / len(clip_times))
    return results

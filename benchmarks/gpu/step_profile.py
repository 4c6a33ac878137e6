"""Steps of the real loop under PyTorch's profiler: attention kernel, idle time, copies."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType

from benchmarks.gpu.figure import Figure, Setting, at_least, at_most, holds
from benchmarks.gpu.intervals import Interval, length, shared, union
from benchmarks.gpu.pretrain_run import (
    load,
    pinned_batches,
    recordings,
    synchronize,
    train_here,
    words,
)
from benchmarks.gpu.subprocess_call import run_alone
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train

WARM_UP, NAMED, TIMED = 5, 1, 6  # steps: without a profiler, for names, and for times
SETTLED = 1 / 3  # of the timed steps, in which the host gets ahead of the GPU
FROM_HOST, TO_HOST = "Memcpy HtoD", "Memcpy DtoH"
PREFIX = "aten::_scaled_dot_product_"
FUSED = ("flash_attention", "cudnn_attention")


class Trace(NamedTuple):
    """What the GPU did in some steps, in microseconds; on a CPU, its operations."""

    attention: list[str]  # the operations of attention, without their prefix
    kernels: list[Interval]
    copies: list[Interval]  # from the host
    pageable: int  # copies from memory that is not pinned


def profile_step(setting: Setting) -> Iterator[Figure]:
    recordings(setting)
    size, clips = ("tiny", 2) if setting.is_dry else ("base", 128)
    trace = run_alone(setting, _trace, setting, size, clips)
    yield from figures_of(trace, f"{size}, {clips} clips")


def figures_of(trace: Trace, label: str) -> Iterator[Figure]:
    """Of the steps after the first third: shares of their time."""
    kinds = ", ".join(trace.attention) or "another"
    is_fused = bool(trace.attention) and all(name.startswith(FUSED) for name in trace.attention)
    yield holds(f"attention is flash or cuDNN: it is {kinds}", is_fused, True)
    span = trace.kernels[0][0], max(end for _, end in trace.kernels)
    begin = span[0] + SETTLED * (span[1] - span[0])
    settled = [(begin, span[1])]
    kernels = shared(trace.kernels, settled)
    busy = length(kernels) / length(settled)
    yield Figure(f"{label}: the GPU computes", busy, at_least(0.95), "%", True)
    copies = shared(trace.copies, settled)
    if copies:
        hidden = length(shared(copies, kernels)) / length(copies)
        yield Figure("copies of batches while it computes", hidden, at_least(0.9), "%", True)
    else:
        yield Figure("copies of batches while it computes", "a CPU copies nothing")
    yield Figure("copies from memory that is not pinned", trace.pageable, at_most(0), "", True)


def _trace(setting: Setting, size: str, clips: int) -> Trace:
    steps = WARM_UP + NAMED + TIMED + 1
    config = load(
        words(
            setting,
            "profiled",
            size,
            clips,
            f"schedule={{steps: {steps}, epochs: null}}",
            "log={every_steps: 100000, images_every_steps: 100000, feature_clips: 2}",
            "engine={zero_stage: 2, precision: bf16, compile: false}",
        )
    )
    events: dict[int, list[Any]] = {}
    train_here(
        config, lambda run: train(run._replace(batches=_profiled(run, setting.device, events)))
    )
    named, timed = events[WARM_UP], events[WARM_UP + NAMED]
    return read_trace(named, timed, setting.device)


def _profiled(
    run: PretrainRun, device: torch.device, events: dict[int, list[Any]]
) -> Iterator[PretrainBatch]:
    """The events of the named and of the timed steps, by the step with which they begin."""
    on_gpu = device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    both = [activity.CPU, activity.CUDA] if on_gpu else [activity.CPU]
    # without the operations of the host, whose recording slows it down
    plans = {WARM_UP: both, WARM_UP + NAMED: [activity.CUDA] if on_gpu else both}
    profiler: Any = None
    begun = 0
    for step, batch in enumerate(pinned_batches(run)):
        if profiler and step in (WARM_UP + NAMED, WARM_UP + NAMED + TIMED):
            synchronize(device)
            profiler.stop()
            events[begun] = list(profiler.events())
            profiler = None
        if step in plans:
            profiler, begun = torch.profiler.profile(activities=plans[step]), step
            profiler.start()
        yield batch


def read_trace(named: Sequence[Any], timed: Sequence[Any], device: torch.device) -> Trace:
    """From the profiler's events of the named and of the timed steps."""
    attention = sorted(
        {
            event.name.removeprefix(PREFIX)
            for event in named
            if event.name.startswith(PREFIX) and "backward" not in event.name
        }
    )
    wanted = DeviceType.CUDA if device.type == "cuda" else DeviceType.CPU
    work = [
        event for event in timed if event.device_type == wanted and not event.is_user_annotation
    ]
    from_host = [event for event in work if event.name.startswith(FROM_HOST)]
    return Trace(
        attention,
        union(
            _interval(event) for event in work if not event.name.startswith((FROM_HOST, TO_HOST))
        ),
        [_interval(event) for event in from_host],
        sum("Pageable" in event.name for event in from_host),
    )


def _interval(event: Any) -> Interval:
    return event.time_range.start, event.time_range.end

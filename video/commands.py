"""The commands of `python -m video`; each imports what it needs."""

import argparse
from dataclasses import replace

from video.recording import WantedStream
from video.text_table import format_count


def check(options: argparse.Namespace) -> int:
    from video.check import cli

    return cli.check(
        options.source,
        options.out,
        options.reader,
        options.folder_fps,
        options.processes,
        options.time_limit,
        WantedStream(options.stream),
    )


def prepare(options: argparse.Namespace) -> int:
    from video.prepare import cli
    from video.prepare.settings import DEFAULT_QUALITY, PrepareSettings

    settings = PrepareSettings(
        options.form,
        options.short_side,
        options.frame_rate,
        options.quality or DEFAULT_QUALITY[options.form],
        options.crop_view,
    )
    return cli.prepare(
        options.source,
        options.out,
        settings,
        options.leave_out,
        options.folder_fps,
        options.processes,
        options.time_limit,
        WantedStream(options.stream),
    )


def preview(options: argparse.Namespace) -> int:
    from video import preview as clips
    from video.config import Sampling

    rate = Sampling(frame_rate=options.frame_rate, stride=options.stride)
    sampling = replace(rate, short_videos=options.short_videos or rate.short_videos)
    return clips.preview(
        options.source,
        options.out,
        options.clips,
        options.frames,
        options.image_size,
        sampling,
        options.seed,
        options.reader,
        options.folder_fps,
        options.time_limit,
        WantedStream(options.stream),
    )


def speed(options: argparse.Namespace) -> int:
    from video import read_speed

    return read_speed.speed(
        options.source,
        options.seconds,
        options.reader,
        options.folder_fps,
        options.time_limit,
        options.json,
    )


def synthesize(options: argparse.Namespace) -> int:
    from video import synthetic

    files = synthetic.synthesize(
        options.out, options.recordings, options.seconds, options.size, options.seed
    )
    recordings = format_count(len(files), "recording")
    print(f"{recordings} of {options.seconds:g} s in {options.out}")
    return 0

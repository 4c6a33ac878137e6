"""`python -m encoder attention CHECKPOINT VIDEO...`: where an encoder looks, drawn."""

import argparse
from pathlib import Path

from encoder.attention_maps import AttentionQuery, attention_maps, resolve_query
from encoder.config import EncoderConfig
from finetune.attention.figure import AttentionFigure, attention_sheet, draw_attention
from finetune.attention.load import load_attention_model, training_sampling
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from video.config import Sampling
from video.visualize.cli_args import sampling_from
from video.visualize.save import save_clip
from video.visualize.select_clips import (
    SelectedClip,
    read_selected_clips,
    select_recordings,
    selection_from,
)


def run_attention(options: argparse.Namespace) -> None:
    """Writes `NAME_attention.png` and `.mp4` of a clip of each recording."""
    opened = load_attention_model(options.checkpoint, options.overrides)
    config = opened.encoder.config
    asked = resolve_query(
        AttentionQuery(options.layer, options.query, options.heads == "each", options.rollout),
        config,
    )
    if options.frame_rate or options.stride:
        sampling, how = sampling_from(options, Sampling()), "as asked"
    else:
        sampling, how = training_sampling(opened.found)
    choice = selection_from(options)
    chosen = select_recordings(choice)
    for failure in chosen.failures:
        print(f"unreadable: {failure}")
    print(f"{options.checkpoint}: {_clip(config)}, {_pace(sampling)} ({how})", flush=True)
    device = Processes().device
    encoder = opened.encoder.to(device)
    clips = read_selected_clips(
        chosen.recordings, choice, sampling, config.num_frames, config.image_size
    )
    for shown in clips:
        maps = attention_maps(encoder, shown.clip[None].to(device), asked)
        drawn = draw_attention(shown.clip.numpy(), maps, config, options.style)
        title = f"{shown.name}, {_span(shown)}: {drawn.description}; {options.checkpoint}"
        written = write(options.out, title, drawn, shown, config.tubelet_size)
        print(f"{shown.recording.path}: {_span(shown)}, {drawn.description}; {written}", flush=True)


def write(out: Path, title: str, drawn: AttentionFigure, shown: SelectedClip, tubelet: int) -> str:
    """A sheet and a film, in the place of those of an earlier call; which, or ConfigError."""
    name = out / f"{shown.name}_attention"
    there = any(name.with_name(name.name + suffix).exists() for suffix in (".png", ".mp4"))
    strips, labels = [row.strip for row in drawn.rows], [row.label for row in drawn.rows]
    try:
        pixels = attention_sheet(title, drawn, shown.times, tubelet)
        picture, film = save_clip(name, pixels, strips, shown.times, labels)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"--out {out}: cannot be written to ({reason})") from None
    return f"{'replaced' if there else 'written'}: {picture}, {film}"


def _span(shown: SelectedClip) -> str:
    first, last = shown.times[0], shown.times[-1]
    return f"{first:.2f} to {last:.2f} s" if last > first else f"at {first:.2f} s"


def _clip(config: EncoderConfig) -> str:
    frames, rows, columns = config.grid
    of = f"{config.num_frames} frame{'s' if config.num_frames > 1 else ''}"
    return f"{frames}x{rows}x{columns} tokens of {of}"


def _pace(sampling: Sampling) -> str:
    if sampling.wanted_rate:
        rate = f"{sampling.wanted_rate:g}"
        return f"{rate} frame{'' if rate == '1' else 's'} a second"
    return f"every {sampling.stride}. frame"

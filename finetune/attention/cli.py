"""`python -m finetune attention CHECKPOINT VIDEO...`: attention maps as images and videos."""

import argparse
from pathlib import Path

from encoder.attention_maps import AttentionQuery, attention_maps, resolve_query
from encoder.config import EncoderConfig
from finetune.attention.figure import AttentionFigure, attention_sheet, draw_attention
from finetune.attention.load import load_attention_model, training_sampling
from launch.atomic_io import require_writable
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
    require_writable(options.out, is_folder=True, option="--out")
    model = load_attention_model(options.checkpoint, options.overrides)
    config = model.encoder.config
    query = resolve_query(
        AttentionQuery(options.layer, options.query, options.heads == "each", options.rollout),
        config,
    )
    if options.frame_rate or options.stride:
        sampling, origin = sampling_from(options, Sampling()), "given"
    else:
        trained, origin = training_sampling(model.source)
        sampling = sampling_from(options, trained)
    selection = selection_from(options)
    selected = select_recordings(selection)
    for failure in selected.failures:
        print(f"left out: {failure}")
    print(
        f"{options.checkpoint}: {_clip_text(config)}, {_sampling_text(sampling)} ({origin})",
        flush=True,
    )
    device = Processes().device
    encoder = model.encoder.to(device)
    clips = read_selected_clips(
        selected.recordings, selection, sampling, config.num_frames, config.image_size
    )
    for clip in clips:
        maps = attention_maps(encoder, clip.clip[None].to(device), query)
        figure = draw_attention(clip.clip.numpy(), maps, config, options.style)
        title = f"{clip.name}, {_span(clip)}: {figure.description}; {options.checkpoint}"
        written = write_figure(options.out, title, figure, clip, config.tubelet_size)
        print(f"{clip.recording.path}: {_span(clip)}, {figure.description}; {written}", flush=True)


def write_figure(
    out: Path, title: str, figure: AttentionFigure, clip: SelectedClip, tubelet: int
) -> str:
    """Writes an image and a video, and replaces those of an earlier call. Raises ConfigError."""
    name = out / f"{clip.name}_attention"
    exists = any(name.with_name(name.name + suffix).exists() for suffix in (".png", ".mp4"))
    strips, labels = [row.strip for row in figure.rows], [row.label for row in figure.rows]
    try:
        pixels = attention_sheet(title, figure, clip.times, tubelet)
        image, video = save_clip(name, pixels, strips, clip.times, labels)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"--out {out}: cannot be written to ({reason})") from None
    return f"{'replaced' if exists else 'written'}: {image}, {video}"


def _span(clip: SelectedClip) -> str:
    first, last = clip.times[0], clip.times[-1]
    return f"{first:.2f} to {last:.2f} s" if last > first else f"at {first:.2f} s"


def _clip_text(config: EncoderConfig) -> str:
    frames, rows, columns = config.grid
    clip = f"{config.num_frames} frame{'s' if config.num_frames > 1 else ''}"
    return f"{frames}x{rows}x{columns} tokens of {clip}"


def _sampling_text(sampling: Sampling) -> str:
    if sampling.wanted_rate:
        rate = f"{sampling.wanted_rate:g}"
        return f"{rate} frame{'' if rate == '1' else 's'} a second"
    return f"every {sampling.stride}. frame"

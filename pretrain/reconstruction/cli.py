"""`python -m pretrain completion`: pictures and films of what a model makes of recordings."""

import argparse
from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from encoder.commands import parse_overrides
from encoder.config import first_error
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from masking import GENERATORS, DualMasking, Grid, MaskGenerator
from pretrain.checkpoint.infer_config import DecoderOverrides
from pretrain.reconstruction.load import LoadedAutoencoder, open_autoencoder
from pretrain.reconstruction.reconstruct import Reconstruction, reconstruct
from pretrain.reconstruction.render import FRAMES_SHOWN, LABELS, classic_sheet, every, strips_of
from video.visualize.cli_args import sampling_of
from video.visualize.contact_sheet import draw_sheet
from video.visualize.save import write_shown
from video.visualize.select_clips import ShownClip, choice_of, find_chosen, read_clips
from video.visualize.strips import Strip


class Hidden(NamedTuple):
    """What is hidden of every clip."""

    by: MaskGenerator
    visible: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.by.kind} {self.by.ratio:g}"

    @property
    def visible_share(self) -> float:
        return self.visible / self.tokens


def reconstruct_command(options: argparse.Namespace) -> None:
    """Writes NAME_KIND_RATIO.png and .mp4 of each recording into the folder.

    Raises what opening a model and reading recordings raise, and ConfigError.
    """
    _require_known(options.mask)
    of_decoder = DecoderOverrides(options.decoder_heads, options.target)
    opened = open_autoencoder(Path(options.model), parse_overrides(options.overrides), of_decoder)
    hidden = chosen_mask(opened.hides, options, opened.encoder.grid)
    for line in _described(opened, hidden):
        print(line, flush=True)
    choice = choice_of(options)
    found = find_chosen(choice)
    encoder, sampling = opened.encoder, sampling_of(options, opened.sampling)
    clips = read_clips(found.recordings, choice, sampling, encoder.num_frames, encoder.image_size)
    device = Processes().device
    opened.model.to(device)
    for number, shown in enumerate(clips):
        rng = np.random.default_rng([options.seed, number, *b"mask"])
        visible = DualMasking(hidden.by, None).draw(encoder.grid, [rng]).visible
        completed = reconstruct(
            opened.model,
            shown.clip[None].to(device),
            torch.from_numpy(visible).to(device),
            encoder,
            opened.target,
            opened.model.decoder.config.predicted_frames,
        )
        file = options.out / f"{shown.name}_{hidden.by.kind}_{hidden.by.ratio:g}"
        _write(file, shown, completed, opened, hidden, options.style)
        print(_line(shown, completed, file), flush=True)
    for failure in found.failures:
        print(f"unreadable: {failure}")


def _require_known(kind: str | None) -> None:
    if kind is not None and kind not in GENERATORS:
        near = get_close_matches(kind, GENERATORS, n=1)
        raise ConfigError(
            f"--mask {kind}: is none of {', '.join(GENERATORS)}"
            + (f"; nearest: {near[0]}" if near else "")
        )


def chosen_mask(trained: MaskGenerator, options: argparse.Namespace, grid: Grid) -> Hidden:
    """The mask that is asked for; else as the model was trained. Raises ConfigError."""
    kind = options.mask or trained.kind
    values = {field.name: getattr(trained, field.name) for field in fields(trained)}  # type: ignore[arg-type]
    values = values if kind == trained.kind else {"kind": kind}
    values |= {} if options.ratio is None else {"ratio": options.ratio}
    if kind in ("temporal", "center"):
        values["snap"] = options.snap
    if kind == "random" and options.mask:
        values["cut"] = "visible"  # as those who complete clips count
    try:
        generator = TypeAdapter(GENERATORS[kind]).validate_python(values)
        counts = DualMasking(generator, None).counts(grid)
    except ValidationError as error:
        raise ConfigError(f"--ratio {options.ratio}: {first_error(error)}") from None
    except ValueError as error:
        raise ConfigError(f"--mask {kind}: {error}") from None
    return Hidden(generator, counts.visible, counts.tokens)


def _described(opened: LoadedAutoencoder, hidden: Hidden) -> Iterator[str]:
    encoder = opened.encoder
    yield (
        f"model: {opened.described}; {encoder.embed_dim} wide, {encoder.depth} blocks, "
        f"{encoder.num_frames} frames of {'x'.join(map(str, encoder.image_size))}, predicts "
        f"{opened.target.kind}"
    )
    for assumption in opened.assumed:
        yield f"assumed: {assumption}"
    gone = hidden.tokens - hidden.visible
    yield f"hidden: {hidden}, {gone} of {hidden.tokens} tokens"


def _write(
    file: Path,
    shown: ShownClip,
    completed: Reconstruction,
    opened: LoadedAutoencoder,
    hidden: Hidden,
    style: str,
) -> None:
    strips = strips_of(completed, 0, hidden.visible_share)
    times = _times(shown, len(strips["original"].frames))
    if style == "classic":
        sheet = classic_sheet(strips)
    else:
        sheet = _sheet(strips, times, f"{shown.name}   {opened.described}   {hidden}")
    try:
        write_shown(file, sheet, list(strips.values()), times, [LABELS[name] for name in strips])
    except OSError as error:
        raise ConfigError(f"--out {file.parent}: cannot be written ({error.strerror})") from None


def _times(shown: ShownClip, count: int) -> list[float]:
    """Seconds of the frames that the decoder predicts."""
    chosen = np.linspace(0, len(shown.times) - 1, count).astype(int)
    return [shown.times[i] for i in chosen.tolist()]


def _sheet(strips: dict[str, Strip], times: list[float], title: str) -> np.ndarray:
    step = max(1, len(times) // FRAMES_SHOWN)
    columns = [f"{time:.2f} s" for time in times[::step]]
    return draw_sheet(title, every(list(strips.values()), step), columns)


def _line(shown: ShownClip, completed: Reconstruction, file: Path) -> str:
    return (
        f"{shown.name}: {shown.times[0]:.2f} to {shown.times[-1]:.2f} s, error "
        f"{float(completed.error):.4f} of what is hidden (trivial {float(completed.trivial):.4f}): "
        f"{file}.png, .mp4"
    )

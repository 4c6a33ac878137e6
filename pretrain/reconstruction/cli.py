"""`python -m pretrain reconstruct`: images and videos of reconstructed masked clips."""

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
from launch.atomic_io import require_writable
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from masking import GENERATORS, DualMasking, Grid, MaskGenerator
from pretrain.checkpoint.infer_config import DecoderOverrides
from pretrain.loss import build_objective
from pretrain.loss_functions import LossFunction
from pretrain.reconstruction.load import LoadedAutoencoder, load_autoencoder
from pretrain.reconstruction.reconstruct import Reconstruction, reconstruct
from pretrain.reconstruction.render import FRAMES_SHOWN, LABELS, classic_sheet, every, strips_of
from video.visualize.cli_args import sampling_from
from video.visualize.contact_sheet import draw_sheet
from video.visualize.save import save_clip
from video.visualize.select_clips import (
    SelectedClip,
    read_selected_clips,
    select_recordings,
    selection_from,
)
from video.visualize.strips import Strip


class ChosenMask(NamedTuple):
    """The mask of every clip."""

    generator: MaskGenerator
    visible: int  # tokens
    tokens: int

    def __str__(self) -> str:
        return f"{self.generator.kind} {self.generator.ratio:g}"

    @property
    def visible_share(self) -> float:
        return self.visible / self.tokens


def reconstruct_command(options: argparse.Namespace) -> None:
    """Writes NAME_KIND_RATIO.png and .mp4 of each recording into the folder.

    Raises ConfigError, and what loading a model and reading recordings raise.
    """
    _require_known(options.mask)
    require_writable(options.out, is_folder=True, option="--out")
    of_decoder = DecoderOverrides(options.decoder_heads, options.target)
    loaded = load_autoencoder(Path(options.model), parse_overrides(options.overrides), of_decoder)
    encoder, device = loaded.encoder, Processes().device
    frames = loaded.model.decoder.config.predicted_frames
    objective = build_objective(encoder, loaded.target, loaded.loss, frames, device)
    if not objective.target.has_images:
        raise ConfigError(f"{options.model}: its target {loaded.target.kind} has no images")
    mask = choose_mask(loaded.mask, options, encoder.grid)
    for line in _description(loaded, mask):
        print(line, flush=True)
    choice = selection_from(options)
    found = select_recordings(choice)
    sampling = sampling_from(options, loaded.sampling)
    clips = read_selected_clips(
        found.recordings, choice, sampling, encoder.num_frames, encoder.image_size
    )
    loaded.model.to(device)
    for number, chosen in enumerate(clips):
        rng = np.random.default_rng([options.seed, number, *b"mask"])
        visible = torch.from_numpy(
            DualMasking(mask.generator, None).draw(encoder.grid, [rng]).visible
        )
        clip = chosen.clip[None].to(device)
        result = reconstruct(loaded.model, clip, visible.to(device), objective)
        file = options.out / f"{chosen.name}_{mask.generator.kind}_{mask.generator.ratio:g}"
        _write(file, chosen, result, loaded, mask, options.style)
        print(_summary(chosen, result, loaded.loss, file), flush=True)
    for failure in found.failures:
        print(f"left out: {failure}")


def _require_known(kind: str | None) -> None:
    if kind is not None and kind not in GENERATORS:
        near = get_close_matches(kind, GENERATORS, n=1)
        raise ConfigError(
            f"--mask {kind}: is none of {', '.join(GENERATORS)}"
            + (f"; nearest: {near[0]}" if near else "")
        )


def choose_mask(trained: MaskGenerator, options: argparse.Namespace, grid: Grid) -> ChosenMask:
    """The mask that the options give, else that of the model's training. Raises ConfigError."""
    kind = options.mask or trained.kind
    values = {field.name: getattr(trained, field.name) for field in fields(trained)}  # type: ignore[arg-type]
    values = values if kind == trained.kind else {"kind": kind}
    values |= {} if options.ratio is None else {"ratio": options.ratio}
    if kind in ("temporal", "center"):
        values["snap"] = options.snap
    if kind == "random" and options.mask:
        values["cut"] = "visible"  # the ratio's rounding in published reconstructions
    try:
        generator = TypeAdapter(GENERATORS[kind]).validate_python(values)
        counts = DualMasking(generator, None).counts(grid)
    except ValidationError as error:
        raise ConfigError(f"--ratio {options.ratio}: {first_error(error)}") from None
    except ValueError as error:
        raise ConfigError(f"--mask {kind}: {error}") from None
    return ChosenMask(generator, counts.visible, counts.tokens)


def _description(loaded: LoadedAutoencoder, mask: ChosenMask) -> Iterator[str]:
    encoder = loaded.encoder
    yield (
        f"model: {loaded.description}; width {encoder.embed_dim}, {encoder.depth} blocks, "
        f"{encoder.num_frames} frames of {'x'.join(map(str, encoder.image_size))}, target "
        f"{loaded.target.kind}"
    )
    for assumption in loaded.assumed:
        yield f"assumed: {assumption}"
    yield f"hidden: {mask}, {mask.tokens - mask.visible} of {mask.tokens} tokens"


def _write(
    file: Path,
    chosen: SelectedClip,
    result: Reconstruction,
    loaded: LoadedAutoencoder,
    mask: ChosenMask,
    style: str,
) -> None:
    strips = strips_of(result, 0, mask.visible_share)
    times = _times(chosen, len(strips["original"].frames))
    if style == "classic":
        sheet = classic_sheet(strips)
    else:
        sheet = _sheet(strips, times, f"{chosen.name}   {loaded.description}   {mask}")
    try:
        save_clip(file, sheet, list(strips.values()), times, [LABELS[name] for name in strips])
    except OSError as error:
        raise ConfigError(f"--out {file.parent}: cannot be written ({error.strerror})") from None


def _times(chosen: SelectedClip, count: int) -> list[float]:
    """Seconds of the frames that the decoder predicts."""
    index = np.linspace(0, len(chosen.times) - 1, count).astype(int)
    return [chosen.times[i] for i in index.tolist()]


def _sheet(strips: dict[str, Strip], times: list[float], title: str) -> np.ndarray:
    step = max(1, len(times) // FRAMES_SHOWN)
    columns = [f"{time:.2f} s" for time in times[::step]]
    return draw_sheet(title, every(list(strips.values()), step), columns)


def _summary(chosen: SelectedClip, result: Reconstruction, loss: LossFunction, file: Path) -> str:
    return (
        f"{chosen.name}: {chosen.times[0]:.2f} to {chosen.times[-1]:.2f} s, {loss.kind} loss "
        f"{float(result.error):.4f} on hidden patches (constant baseline "
        f"{float(result.baseline):.4f}): {file}.png, .mp4"
    )

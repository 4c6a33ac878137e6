"""`python -m masking`: draws masks as an image and prints how many tokens are in each set."""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from masking import __version__
from masking.dual import Counts, DualMasking
from masking.grid import Grid, token_count
from masking.registry import GENERATORS
from masking.running_cell import RunningCell
from masking.visualize import draw_masks

PLUGINS = "SURGMASK_PLUGINS"  # environment variable: names of modules, comma-separated
MAX_TOKENS = 100_000  # of all samples in one image


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> None:
    """Exits with status 2 and one line on stderr if an option is not valid."""
    _import_plugins()
    parser = _build_parser()
    options = parser.parse_args(arguments)
    try:
        masking = _masking(options)
        grid = tuple(options.grid)
        counts = masking.counts(grid)
        _save(_draw(masking, grid, counts, options.seed, options.samples), options.out)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        parser.error(f"--{first['loc'][0]}-ratio {first['input']}: {message}")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    _print_counts(counts)
    print(f"written: {options.out}")


def _import_plugins() -> None:
    """Imports the modules that add rows to the table of masks."""
    for name in filter(None, os.environ.get(PLUGINS, "").split(",")):
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            sys.stderr.write(
                f"python -m masking: {PLUGINS}: {name} cannot be imported ({reason}); put its "
                "folder on PYTHONPATH\n"
            )
            sys.exit(2)


def _build_parser() -> _Parser:
    parser = _Parser(prog="python -m masking", description=__doc__, allow_abbrev=False)
    kinds = [*GENERATORS]
    parser.add_argument("--version", action="version", version=f"surgmask {__version__}")
    parser.add_argument(
        "--grid",
        nargs=3,
        type=int,
        required=True,
        metavar=("FRAMES", "ROWS", "COLUMNS"),
        help="tokens of a clip, e.g. 8 14 14 for 16 frames of 224x224 with tubelets of 2x16x16",
    )
    parser.add_argument("--encoder", choices=kinds, default="tube")
    parser.add_argument(
        "--encoder-ratio", type=float, metavar="R", help="share hidden from the encoder"
    )
    parser.add_argument("--decoder", choices=[*kinds, "none"], default="running_cell")
    parser.add_argument(
        "--decoder-ratio",
        type=float,
        metavar="R",
        help="share that is not decoded",
    )
    parser.add_argument("--random-phase", action="store_true", help="shift running cells in space")
    parser.add_argument(
        "--decode-visible",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also decode tokens that the encoder sees (default: yes)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--samples", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="image file (.png)")
    return parser


def _masking(options: argparse.Namespace) -> DualMasking:
    if options.random_phase and options.decoder != "running_cell":
        raise ValueError(f"--random-phase needs --decoder running_cell, not {options.decoder}")
    if options.decoder == "none" and options.decoder_ratio is not None:
        raise ValueError("--decoder-ratio: remove it; --decoder none decodes all hidden tokens")
    decoder = _settings(options.decoder, options.decoder_ratio)
    if options.random_phase:
        decoder["random_phase"] = True
    values = {
        "encoder": _settings(options.encoder, options.encoder_ratio),
        "decoder": None if options.decoder == "none" else decoder,
        "decode_visible": options.decode_visible,
    }
    return TypeAdapter(DualMasking).validate_python(values)


def _settings(kind: str, ratio: float | None) -> dict[str, Any]:
    return {"kind": kind} if ratio is None else {"kind": kind, "ratio": ratio}


def _draw(masking: DualMasking, grid: Grid, counts: Counts, seed: int, samples: int) -> Image.Image:
    if samples < 1 or seed < 0:
        raise ValueError(f"--samples {samples} --seed {seed}: must be at least 1 and 0")
    if samples * token_count(grid) > MAX_TOKENS:
        raise ValueError(
            f"--grid {grid}: {samples} samples of {token_count(grid)} tokens are too many for one "
            f"image; the limit is {MAX_TOKENS} tokens"
        )
    rngs = [np.random.default_rng([seed, sample]) for sample in range(samples)]
    return draw_masks(grid, masking.draw(grid, rngs), counts, _title(masking, grid))


def _title(masking: DualMasking, grid: Grid) -> str:
    names = []
    for part, mask in (("encoder", masking.encoder), ("decoder", masking.decoder)):
        name = f"{mask.kind} {mask.ratio:g}" if mask else "all hidden tokens"
        phase = " with random phase" if isinstance(mask, RunningCell) and mask.random_phase else ""
        names.append(f"{part}: {name}{phase}")
    return ", ".join(["grid " + "x".join(map(str, grid)), *names])


def _save(picture: Image.Image, out: Path) -> None:
    try:
        picture.save(out)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"--out {out}: cannot be written ({reason}); give a .png file") from None


def _print_counts(counts: Counts) -> None:
    rows = zip(("tokens", "visible", "decoded", "in the loss"), counts, strict=True)
    for name, number in rows:
        print(f"{name:<12}{number:>8}{number / counts.tokens:>9.1%}")


if __name__ == "__main__":
    main()

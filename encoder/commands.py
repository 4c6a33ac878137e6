"""The commands of `python -m encoder`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from encoder.checkpoint.adapt import LoadOptions, adapt
from encoder.checkpoint.export import timm_arguments, write_encoder
from encoder.checkpoint.load import load_encoder, load_source
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig, first_error
from encoder.inspect_checkpoint import as_json, inspect_lines
from encoder.model_zoo import available_models, find_card, resolve_weights
from encoder.variants import variant_config

FORMER_OVERRIDES = ("frames", "positions")
COLOURS = 3  # channels of a recording


def run(program: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """The exit status of a command; its errors are one line."""
    try:
        program(options)
    except (CheckpointMismatch, ValueError) as error:
        sys.stderr.write(f"encoder: {error}\n")
        return 2
    return 0


def inspect(options: argparse.Namespace) -> None:
    found = resolve_source(options.file, options.overrides)
    report = None
    if options.variant:
        report = LoadReport(found, adapt(found, _wanted(options, found), _choices(options)))
    if options.json:
        print(json.dumps(as_json(found, report), indent=1))
    else:
        print("\n".join(report.lines() if report else inspect_lines(found)))


def convert(options: argparse.Namespace) -> None:
    found = resolve_source(options.file, options.overrides)
    wanted = _wanted(options, found) if options.variant else None
    encoder, report = load_source(found, wanted, _choices(options))
    out = Path(options.out)
    metadata = {"report": report.as_dict(), **_carried(found)}
    write_encoder(out, encoder.state_dict(), encoder.config, options.layout, metadata)
    print(report)
    config = encoder.config
    again = load_encoder(
        out, overrides=CheckpointOverrides(config.num_heads, config.num_frames, config.image_size)
    ).encoder
    tensors = again.state_dict()
    same = all(tensors[name].equal(value) for name, value in encoder.state_dict().items())
    if not same:
        raise CheckpointMismatch(f"{out}: does not read back as it was written; please report it")
    print(f"written: {out}, read back: the same {len(tensors)} tensors")
    if options.layout == "timm":
        print(f"timm's VisionTransformer({json.dumps(timm_arguments(config))})")


def models(options: argparse.Namespace) -> None:
    for name in [options.name] if options.name else available_models():
        card = find_card(name)
        variant = f" into {card.variant}" if card.variant else ""
        print(f"{name:<42}{card.source}: {card.file}{variant}; {card.licence}")


def resolve_source(file: str, words: Sequence[str]) -> SourceEncoder:
    """The encoder of the file that is named, or of the published model of that name, with what
    `key=value` words tell of it. Raises CheckpointMismatch."""
    said = parse_overrides(words)
    path, told = resolve_weights(file, said)
    found = read_source(path, told)
    if said.given() and found.detected.family.name == "own":
        named = ", ".join(said.given())
        raise CheckpointMismatch(f"{path}: says all of itself; leave out {named}")
    return found


def parse_overrides(words: Sequence[str]) -> CheckpointOverrides:
    """What `key=value` words say of a file. Raises CheckpointMismatch."""
    try:
        return TypeAdapter(CheckpointOverrides).validate_python(parse_assignments(words))
    except ValidationError as error:
        given = error.errors()[0]["input"]
        raise CheckpointMismatch(f"{first_error(error)}, not {given!r}") from None


def require_rgb(found: SourceEncoder) -> None:
    """Raises CheckpointMismatch where an encoder does not read the channels of recordings."""
    if found.config.channels != COLOURS:
        raise CheckpointMismatch(
            f"{found.file.path}: reads {found.config.channels} channels, recordings have "
            f"{COLOURS}; take another encoder"
        )


def parse_assignments(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as fields of Told; raises CheckpointMismatch with the nearest key."""
    known = list(CheckpointOverrides.__dataclass_fields__)
    told: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in (*known, *FORMER_OVERRIDES):
            near = get_close_matches(key, known, n=1)
            raise CheckpointMismatch(
                f"{word}: is not one of {', '.join(f'{k}=' for k in known)}"
                + (f"; nearest: {near[0]}" if near else "")
            )
        sides = value.split("x")
        if all(side.isdecimal() for side in sides):
            told[key] = int(value) if len(sides) == 1 else tuple(map(int, sides))
        else:
            told[key] = value
    return told


def _choices(options: argparse.Namespace) -> LoadOptions:
    return LoadOptions(options.inflation, options.keep_norm, tuple(options.allow))


def _wanted(options: argparse.Namespace, found: SourceEncoder) -> EncoderConfig:
    try:
        return variant_config(options.variant, found.config)
    except ValueError as error:
        raise CheckpointMismatch(f"{found.file.path}: {first_error(error)}") from None


def _carried(found: SourceEncoder) -> dict[str, Any]:
    """What this project's own file says of its training goes on into the new one."""
    if found.detected.family.name != "own":
        return {}
    written = found.file.metadata.items()
    return {key: json.loads(text) for key, text in written if key not in ("encoder", "report")}


PROGRAMS = {"inspect": inspect, "convert": convert, "models": models}

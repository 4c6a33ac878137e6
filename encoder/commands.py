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
from encoder.checkpoint.export import require_new, write_encoder
from encoder.checkpoint.families import NATIVE_FAMILY
from encoder.checkpoint.formats.timm import timm_arguments
from encoder.checkpoint.load import load_encoder, load_source
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import SourceEncoder, read_source
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_json
from encoder.config import EncoderConfig, first_error
from encoder.inspect_checkpoint import as_json, inspect_lines
from encoder.model_zoo import model_lines, resolve_weights
from encoder.variants import variant_config

FORMER_OVERRIDES = ("frames", "positions")
VIDEO_CHANNELS = 3


def run(command: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """The exit status of a command; prints its errors as one line."""
    try:
        command(options)
    except (CheckpointMismatch, ValueError) as error:
        sys.stderr.write(f"encoder: {error}\n")
        return 2
    return 0


def inspect(options: argparse.Namespace) -> None:
    source = resolve_source(options.file, options.overrides)
    report = None
    if options.variant:
        plan = adapt(source, _variant_config(options, source), _load_options(options))
        report = LoadReport(source, plan)
    if options.json:
        print(json.dumps(as_json(source, report), indent=1))
    else:
        print("\n".join(report.lines() if report else inspect_lines(source)))


def convert(options: argparse.Namespace) -> None:
    require_new(Path(options.out))
    source = resolve_source(options.file, options.overrides)
    target = _variant_config(options, source) if options.variant else None
    encoder, report = load_source(source, target, _load_options(options))
    out, config = Path(options.out), encoder.config
    metadata = {"report": report.as_dict(), **_native_metadata(source)}
    write_encoder(out, encoder.state_dict(), config, options.file_format, metadata)
    print(report)
    overrides = CheckpointOverrides(config.num_heads, config.num_frames, config.image_size)
    tensors = load_encoder(out, overrides=overrides).encoder.state_dict()
    if not all(tensors[name].equal(value) for name, value in encoder.state_dict().items()):
        raise CheckpointMismatch(f"{out}: differs when it is read back; please report this bug")
    print(f"written to {out}; verified: all {len(tensors)} tensors read back equal")
    if options.file_format == "timm":
        print(f"arguments of timm's VisionTransformer: {json.dumps(timm_arguments(config))}")


def models(options: argparse.Namespace) -> None:
    print("\n".join(model_lines(options.name)))


def resolve_source(file: str, words: Sequence[str]) -> SourceEncoder:
    """The encoder in a file or of a published model, with overrides given as `key=value` words.

    Raises CheckpointMismatch.
    """
    given = parse_overrides(words)
    path, overrides = resolve_weights(file, given)
    source = read_source(path, overrides)
    if given.given() and source.detected.name == NATIVE_FAMILY:
        words = " ".join(words)
        raise CheckpointMismatch(f"{path}: records its whole configuration; leave out {words}")
    return source


def parse_overrides(words: Sequence[str]) -> CheckpointOverrides:
    """Overrides given as `key=value` words. Raises CheckpointMismatch."""
    try:
        return TypeAdapter(CheckpointOverrides).validate_python(parse_assignments(words))
    except ValidationError as error:
        value = error.errors()[0]["input"]
        message = first_error(error)
        given = "" if repr(value) in message else f", not {value!r}"
        raise CheckpointMismatch(f"{message}{given}") from None


def require_rgb(source: SourceEncoder) -> None:
    """Raises CheckpointMismatch where an encoder's input is not RGB, as that of videos."""
    if source.config.channels != VIDEO_CHANNELS:
        raise CheckpointMismatch(
            f"{source.file.path}: its input has {source.config.channels} channels, videos have "
            f"{VIDEO_CHANNELS}; use another encoder"
        )


def parse_assignments(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as a mapping; raises CheckpointMismatch with the nearest key."""
    names = list(CheckpointOverrides.__dataclass_fields__)
    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in (*names, *FORMER_OVERRIDES):
            near = get_close_matches(key, names, n=1)
            raise CheckpointMismatch(
                f"{word}: is none of {', '.join(f'{name}=' for name in names)}"
                + (f"; nearest: {near[0]}" if near else "")
            )
        numbers = value.split("x")
        if all(number.isdecimal() for number in numbers):
            values[key] = int(value) if len(numbers) == 1 else tuple(map(int, numbers))
        else:
            values[key] = value
    return values


def _load_options(options: argparse.Namespace) -> LoadOptions:
    return LoadOptions(options.inflation, options.keep_norm, tuple(options.allow_missing))


def _variant_config(options: argparse.Namespace, source: SourceEncoder) -> EncoderConfig:
    try:
        return variant_config(options.variant, source.config)
    except ValueError as error:
        raise CheckpointMismatch(f"{source.file.path}: {first_error(error)}") from None


def _native_metadata(source: SourceEncoder) -> dict[str, Any]:
    """Metadata of this project's own file on its training, for the new file."""
    if source.detected.name != NATIVE_FAMILY:
        return {}
    entries = source.file.metadata.items()
    return {
        key: parse_json(text, f"{source.file.path}: metadata {key!r}")
        for key, text in entries
        if key not in ("encoder", "report")
    }


COMMANDS = {"inspect": inspect, "convert": convert, "models": models}

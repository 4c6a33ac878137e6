"""What became of each tensor of a file, in a few lines."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from encoder.checkpoint.adapt import LoadPlan, shape_of
from encoder.checkpoint.adapt_positions import grid_text
from encoder.checkpoint.families import NORMALISATIONS
from encoder.checkpoint.parse import SourceEncoder
from encoder.config import ENCODER_SIZES, EncoderConfig

WIDTH = 100  # of a line, in columns
LABEL = 13  # columns of a line's label
SHOWN = 6  # things of a kind that are named
BLOCKS = ("blocks", "encoder", "transformer")  # first words of a block's name
WHOLES = ("positions", "class_token")  # parts of these are told apart


class LoadReport(NamedTuple):
    """Of one load; `str` of it is what a user reads, `as_dict` what a run keeps."""

    source: SourceEncoder
    plan: LoadPlan

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        found, adapted = self.source, self.plan
        yield f"{found.file.path}: {found.detected.family.title}"
        yield line("encoder", describe_encoder(adapted.config))
        yield line("loaded", f"{len(adapted.recipes)} tensors, {self._values() / 1e6:.1f} M values")
        changed = {name: part.change for name, part in adapted.recipes.items() if part.change}
        for how, names in by_reason(changed):
            yield line("changed", f"{grouped(names)}: {how}")
        for note in adapted.notes:
            yield line("changed", note)
        for why, names in by_reason(adapted.skipped):
            yield line("dropped", f"{grouped(names, found.detected.root)}: {why}")
        if adapted.initialised:
            yield line("fresh", f"{grouped(adapted.initialised)}: not in the file, begin untrained")
        for what in found.assumptions:
            yield line("assumed", what)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, tensor by tensor."""
        return {
            "file": str(self.source.file.path),
            "family": self.source.detected.family.name,
            "loaded": {
                name: {"from": list(part.sources), **({"how": part.change} if part.change else {})}
                for name, part in self.plan.recipes.items()
            },
            "dropped": self.plan.skipped,
            "fresh": list(self.plan.initialised),
            "notes": list(self.plan.notes),
            "assumed": list(self.source.assumptions),
        }

    def _values(self) -> int:
        tensors = self.source.file.tensors
        return sum(shape_of(part, tensors).numel() for part in self.plan.recipes.values())


def describe_encoder(config: EncoderConfig) -> str:
    """Size, grid and pixels in one line."""
    height, width = config.image_size
    return (
        f"{describe_size(config)}; {frames(config.num_frames)} of {height}x{width} are "
        f"{grid_text(config.grid)} tokens; {config.pos_embed} positions; pixels of "
        f"{describe_pixels(config)}"
    )


def describe_size(config: EncoderConfig) -> str:
    """The name of a known size, with its patch, or the numbers of another."""
    numbers = (config.embed_dim, config.depth, config.num_heads)
    size = f"width {numbers[0]}, depth {numbers[1]}, {numbers[2]} heads"
    for name, row in ENCODER_SIZES.items():
        if numbers == (row["embed_dim"], row["depth"], row["num_heads"]):
            size = f"{name}: {size}"
    patch = f"{config.patch_size}x{config.patch_size} pixels"
    return f"{size}, patches of {patch}, {frames(config.tubelet_size)}"


def frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def describe_pixels(config: EncoderConfig) -> str:
    """The name of a known normalisation, or its numbers."""
    for pixels in NORMALISATIONS.values():
        if (config.mean, config.std) == (pixels.mean, pixels.std):
            return f"{pixels.name} mean and deviation"
    return f"mean {config.mean}, deviation {config.std}"


def grouped(names: Iterable[str], root: str = "") -> str:
    """What tensors belong to, each thing once: hundreds of names in a few words."""
    things = list(dict.fromkeys(thing(name, root) for name in names))
    return ", ".join(things[:SHOWN]) + (f" and {len(things) - SHOWN} more" * (len(things) > SHOWN))


def thing(name: str, root: str = "") -> str:
    """What a tensor is a part of: a layer of all blocks, or what its name begins with."""
    if not name.startswith(root):
        return name.partition(".")[0]
    parts = name.removeprefix(root).split(".")
    if parts[-1] in ("weight", "bias", "q_bias", "v_bias"):
        parts.pop()
    if parts[-1] == "qkv":
        parts.pop()
    if parts and parts[0] in BLOCKS:
        return ".".join("*" if part.isdecimal() else part for part in parts)
    return ".".join(parts[:2] if parts and parts[0] in WHOLES else parts[:1])


def by_reason(reasons: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return list(names.items())


def line(label: str, text: str) -> str:
    """A labelled text under a heading, in as many lines as it needs."""
    return wrapped(f"  {label:<{LABEL}}{text}", LABEL + 2)


def wrapped(text: str, indent: int) -> str:
    """Broken between words; further lines are indented."""
    return textwrap.fill(
        text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )

"""What became of each tensor of a checkpoint, in a few lines."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from encoder.checkpoint.adapt import LoadPlan, shape_of
from encoder.checkpoint.adapt_positions import grid_text
from encoder.checkpoint.parse import SourceEncoder
from encoder.config import ENCODER_SIZES, EncoderConfig
from encoder.normalisation import NORMALISATIONS

WIDTH = 100  # of a line, in columns
LABEL = 19  # columns of a line's label
MAX_NAMES = 6  # of tensors in one line
BLOCKS = ("blocks", "encoder", "transformer")  # first parts of names in blocks
Reason = TypeVar("Reason")
MODULES = ("positions", "class_token")  # whose tensors are named one by one


class LoadReport(NamedTuple):
    """`str` of it is for the user, `as_dict` for the metadata of a file."""

    source: SourceEncoder
    plan: LoadPlan

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        source, plan = self.source, self.plan
        yield f"{source.file.path}: {source.detected.family.title}"
        yield line("encoder", describe_encoder(plan.config))
        yield line("loaded", f"{len(plan.recipes)} tensors, {self._values() / 1e6:.1f} M values")
        changes = {name: recipe.change for name, recipe in plan.recipes.items() if recipe.change}
        for change, names in by_reason(changes):
            yield line("changed", f"{grouped(names)}: {change}")
        for note in plan.notes:
            yield line("changed", note)
        for reason, names in by_reason(plan.skipped):
            yield line("skipped", f"{grouped(names, source.detected.root)}: {reason}")
        if plan.initialised:
            yield line("newly initialised", f"{grouped(plan.initialised)}: not in the file")
        for assumption in source.assumptions:
            yield line("assumed", assumption)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, tensor by tensor."""
        return {
            "file": str(self.source.file.path),
            "family": self.source.detected.name,
            "loaded": {
                name: {
                    "from": list(recipe.sources),
                    **({"change": recipe.change} if recipe.change else {}),
                }
                for name, recipe in self.plan.recipes.items()
            },
            "skipped": self.plan.skipped,
            "initialised": list(self.plan.initialised),
            "notes": list(self.plan.notes),
            "assumed": list(self.source.assumptions),
        }

    def _values(self) -> int:
        tensors = self.source.file.tensors
        return sum(shape_of(recipe, tensors).numel() for recipe in self.plan.recipes.values())


def describe_encoder(config: EncoderConfig) -> str:
    """Size, input, positions and normalisation in one line."""
    return (
        f"{describe_size(config)}; {describe_input(config)}; {config.pos_embed} positions; "
        f"{describe_normalisation(config)}"
    )


def describe_size(config: EncoderConfig) -> str:
    """Width, depth, heads and tubelets, after the name of the size where it is a known one."""
    numbers = (config.embed_dim, config.depth, config.num_heads)
    size = f"width {numbers[0]}, depth {numbers[1]}, {numbers[2]} heads"
    for name, row in ENCODER_SIZES.items():
        if numbers == (row["embed_dim"], row["depth"], row["num_heads"]):
            size = f"{name}: {size}"
    tubelet = f"{frames(config.tubelet_size)}, {config.patch_size}x{config.patch_size} pixels"
    return f"{size}, tubelets of {tubelet}"


def describe_input(config: EncoderConfig) -> str:
    """Frames and pixels of a clip, and the tokens that they give."""
    height, width = config.image_size
    clip = f"{frames(config.num_frames)}, {height}x{width} pixels"
    return f"clips of {clip} ({grid_text(config.grid)} tokens)"


def frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def describe_normalisation(config: EncoderConfig) -> str:
    """The name of a published normalisation, or its numbers."""
    for row in NORMALISATIONS.values():
        if (config.mean, config.std) == (row.mean, row.std):
            return f"{row.title} normalisation"
    return f"normalisation with mean {config.mean}, std {config.std}"


def grouped(names: Iterable[str], root: str = "") -> str:
    """The modules that tensors belong to, each once: hundreds of names in one line."""
    modules = list(dict.fromkeys(module_of(name, root) for name in names))
    more = len(modules) - MAX_NAMES
    return ", ".join(modules[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def module_of(name: str, root: str = "") -> str:
    """A tensor's module: a layer of all blocks such as `blocks.*.attn`, or the first part."""
    if not name.startswith(root):
        return name.partition(".")[0]
    parts = name.removeprefix(root).split(".")
    if parts[-1] in ("weight", "bias", "q_bias", "v_bias"):
        parts.pop()
    if parts[-1] == "qkv":
        parts.pop()
    if parts and parts[0] in BLOCKS:
        return ".".join("*" if part.isdecimal() else part for part in parts)
    return ".".join(parts[:2] if parts and parts[0] in MODULES else parts[:1])


def by_reason(reasons: Mapping[str, Reason]) -> list[tuple[Reason, list[str]]]:
    """Names grouped by their reason."""
    names: dict[Reason, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return list(names.items())


def line(label: str, text: str) -> str:
    """A labelled text, wrapped."""
    return wrapped(f"  {label:<{LABEL}}{text}", LABEL + 2)


def wrapped(text: str, indent: int) -> str:
    """Text wrapped between words; further lines are indented."""
    return textwrap.fill(
        text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )

"""What became of each tensor of a file, in a few lines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from encoder.config import ENCODER_SIZES, EncoderConfig
from encoder.weights.adapting import Adapted, shape_of
from encoder.weights.families import NORMALISATIONS
from encoder.weights.reading import Found

LABEL = 11  # columns of a line's label


class Report(NamedTuple):
    """Of one load; `str` of it is what a user reads, `as_dict` what a run keeps."""

    found: Found
    adapted: Adapted

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        found, adapted = self.found, self.adapted
        yield f"{found.file.path}: {found.known.family.title}"
        yield _line("encoder", describe_encoder(adapted.config))
        yield _line("loaded", f"{len(adapted.parts)} tensors, {self._values() / 1e6:.1f} M values")
        changed = {name: part.how for name, part in adapted.parts.items() if part.how}
        for how, names in _by_reason(changed):
            yield _line("changed", f"{grouped(names)}: {how}")
        for why, names in _by_reason(adapted.dropped):
            yield _line("dropped", f"{grouped(map(_first_part, names))}: {why}")
        if adapted.fresh:
            yield _line("fresh", f"{grouped(adapted.fresh)}: not in the file, begin untrained")
        for what in found.assumed:
            yield _line("assumed", what)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, tensor by tensor."""
        return {
            "file": str(self.found.file.path),
            "family": self.found.known.family.name,
            "loaded": {
                name: {"from": list(part.sources), **({"how": part.how} if part.how else {})}
                for name, part in self.adapted.parts.items()
            },
            "dropped": self.adapted.dropped,
            "fresh": list(self.adapted.fresh),
            "assumed": list(self.found.assumed),
        }

    def _values(self) -> int:
        tensors = self.found.file.tensors
        return sum(shape_of(part, tensors).numel() for part in self.adapted.parts.values())


def describe_encoder(config: EncoderConfig) -> str:
    """Size, grid and pixels in one line."""
    frames, rows, columns = config.grid
    height, width = config.image_size
    return (
        f"{describe_size(config)}; {config.frames} frames of {height}x{width} are "
        f"{frames}x{rows}x{columns} tokens; {config.positions} positions; pixels of "
        f"{describe_pixels(config)}"
    )


def describe_size(config: EncoderConfig) -> str:
    """The name of a known size, with its patch, or the numbers of another."""
    numbers = (config.embed_dim, config.depth, config.num_heads)
    for name, size in ENCODER_SIZES.items():
        if numbers == (size["embed_dim"], size["depth"], size["num_heads"]):
            return f"{name}, patches of {config.patch} pixels and {config.tubelet} frames"
    return (
        f"width {numbers[0]}, depth {numbers[1]}, heads {numbers[2]}, patches of {config.patch} "
        f"pixels and {config.tubelet} frames"
    )


def describe_pixels(config: EncoderConfig) -> str:
    """The name of a known normalisation, or its numbers."""
    for pixels in NORMALISATIONS.values():
        if (config.mean, config.std) == (pixels.mean, pixels.std):
            return f"{pixels.name} mean and deviation"
    return f"mean {config.mean}, deviation {config.std}"


def grouped(names: Iterable[str]) -> str:
    """Names with their numbers left out, and how many there are of each."""
    groups = Counter(_without_numbers(name) for name in names)
    shown = [name if count == 1 else f"{count} {name}" for name, count in groups.most_common(5)]
    others = sum(groups.values()) - sum(count for _, count in groups.most_common(5))
    return ", ".join(shown) + (f" and {others} more" if others else "")


def _without_numbers(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))


def _first_part(name: str) -> str:
    """What a tensor belongs to, where that is not the encoder itself."""
    parts = name.split(".")
    return name if {"blocks", "layer", "resblocks", "norm"} & set(parts[:2]) else parts[0]


def _by_reason(reasons: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return list(names.items())


def _line(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}"

"""The table of pretraining targets. A new target is a file of its own and a row here."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from launch.nearest import nearest
from pretrain.targets.pixel_targets import (
    NormalisedPatches,
    NormalisedPixels,
    Pixels,
    StandardisedPixels,
)
from pretrain.targets.spec import PretrainingTarget

TARGETS: dict[str, type[PretrainingTarget]] = {
    "normalised_pixels": NormalisedPixels,
    "pixels": Pixels,
    "standardised_pixels": StandardisedPixels,
    "normalised_patches": NormalisedPatches,
}
DEFAULT_TARGET = NormalisedPixels()
# Keys that targets had when all of them shared one class.
FORMER_LOG_KEY, FORMER_SHARED_KEY = "field_of_view_darkness", "variance_floor"


class InferredTarget(NamedTuple):
    """The kind of a file's target."""

    kind: str
    is_assumed: bool  # the file does not record it


def infer_target(layout: str, recorded: Mapping[str, Any]) -> InferredTarget:
    """The target of a file in another program's format, by what its config.json says.

    Where a file leaves several rows open, the first of them in the table is assumed.
    """
    known = {
        kind: row.spec.formats[layout]
        for kind, row in TARGETS.items()
        if layout in row.spec.formats
    }
    for kind, facts in known.items():
        if facts and all(recorded.get(name) == value for name, value in facts.items()):
            return InferredTarget(kind, is_assumed=False)
    return InferredTarget(next(iter(known), DEFAULT_TARGET.kind), is_assumed=True)


def read_target(values: Mapping[str, Any]) -> PretrainingTarget:
    """The target that a checkpoint file's metadata describes, of this or an earlier version.

    Raises ValueError where it is of no row, pydantic's ValidationError where a setting is wrong.
    """
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in TARGETS:
        names = ", ".join(TARGETS)
        raise ValueError(f"target kind {kind!r} is none of {names}{nearest(str(kind), TARGETS)}")
    present = without_former_keys(values)
    target: PretrainingTarget = TypeAdapter(TARGETS[kind]).validate_python(present)
    return target


def without_former_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """A target's settings without those that earlier versions wrote for every kind."""
    kind = values.get("kind", DEFAULT_TARGET.kind)
    row: Any = TARGETS.get(kind) if isinstance(kind, str) else None
    known = () if row is None else row.__dataclass_fields__
    former = {FORMER_LOG_KEY, FORMER_SHARED_KEY}
    return {name: value for name, value in values.items() if name in known or name not in former}

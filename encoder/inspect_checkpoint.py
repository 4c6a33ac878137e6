"""What a checkpoint holds, and what of it each variant would load, for people and as JSON."""

from collections.abc import Iterator
from typing import Any

from encoder.checkpoint.adapt import DEFAULTS, LoadPlan, adapt, shape_of
from encoder.checkpoint.adapt_positions import grid_text
from encoder.checkpoint.load_report import (
    LoadReport,
    by_reason,
    describe_pixels,
    describe_size,
    frames,
    grouped,
    line,
    wrapped,
)
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.qkv_formats import FORMS, attention_form
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import COMPUTED, first_error
from encoder.variants import VARIANTS, as_variant


def inspect_lines(found: SourceEncoder) -> Iterator[str]:
    """What the file holds, then one line a variant."""
    yield f"{found.file.path}: {found.detected.family.title}"
    yield from (line(label, text) for label, text in facts(found).items())
    for what in found.assumptions:
        yield line("assumed", what)
    yield "into a variant:"
    for outcome, names in by_reason(outcomes(found)):
        yield f"  {', '.join(names)}"
        yield wrapped(f"    {outcome}", 4)


def facts(found: SourceEncoder) -> dict[str, str]:
    """What a file says or its family knows, by name."""
    config, known = found.config, found.detected
    tensors = found.file.tensors
    values = sum(shape_of(part, tensors).numel() for part in found.recipes.values())
    kinds = sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()})
    height, width = config.image_size
    kind = "computed" if config.pos_embed in COMPUTED else "learned"
    last = "the pooled token" if config.norm == "pooled" else "all tokens"
    where = f", under {found.file.wrapper!r}" if found.file.wrapper else ""
    root = f", prefix {known.root}" if known.root else ""
    beside = ", ".join(
        f"{len(names)} {why} ({grouped(names, known.root)})"
        for why, names in by_reason(found.skipped)
    )
    return {
        "size": f"{describe_size(config)}, MLP ratio {config.mlp_ratio:.4g}",
        "weights": f"{len(found.recipes)} tensors, {values / 1e6:.1f} M values, {', '.join(kinds)}",
        "names": f"those of {known.layout.name}{where}{root}",
        "clip": f"{frames(config.num_frames)} of {height}x{width}: {grid_text(config.grid)} tokens",
        "positions": f"{config.pos_embed}, {kind}",
        "class token": "yes" if config.class_token else "no",
        "attention": f"{config.attention}, stored as {_stored(found)}",
        "block": f"{config.activation}, LayerNorm eps {config.norm_eps:g}"
        + (", a norm before the first" if config.pre_norm else "")
        + (", layer scale" if config.layer_scale else ""),
        "output": f"{'mean of the tokens' if config.pooling == 'mean' else 'first token'}; "
        f"LayerNorm of {last}",
        "pixels": describe_pixels(config),
        "beside": beside or "nothing",
    }


def _stored(found: SourceEncoder) -> str:
    form = attention_form(found.detected.names) if found.detected.names else "q_v"  # our own form
    return FORMS[form]


def outcomes(found: SourceEncoder) -> dict[str, str]:
    """What each variant of the file's own size and image size would become of it."""
    told = {}
    for row, variant in VARIANTS.items():
        size, known, _ = describe_size(found.config).partition(": ")
        name = row.format(size if known else "*")
        clip = {"num_frames": variant.frames, "image_size": found.config.image_size}
        try:
            adapted = adapt(found, as_variant(variant, found.config, **clip), DEFAULTS)
            told[name] = _summary(found, adapted)
        except CheckpointMismatch as error:
            told[name] = "refused: " + str(error).partition(": ")[2]
        except ValueError as error:
            told[name] = "refused: " + first_error(error)
    return told


def _summary(found: SourceEncoder, adapted: LoadPlan) -> str:
    hows = {part.sources: part.change for part in found.recipes.values()}
    changed = {
        name: added
        for name, part in adapted.recipes.items()
        if name not in found.recipes or part is not found.recipes[name]
        if (added := _added(part.change, hows.get(part.sources, "")))
    }
    left_out = {n: why for n, why in adapted.skipped.items() if n not in found.skipped}
    words = [f"{grouped(names)} {how}" for how, names in by_reason(changed)]
    words += adapted.notes
    words += [f"without {grouped(left_out, found.detected.root)}"] if left_out else []
    words += [f"fresh: {grouped(adapted.initialised)}"] if adapted.initialised else []
    return "; ".join(words) or "exact"


def _added(how: str, native: str) -> str:
    """What was done to a tensor beyond reading it."""
    return how.removeprefix(native).removeprefix(", then ")


def as_json(found: SourceEncoder, report: LoadReport | None) -> dict[str, Any]:
    """All that `inspect` knows, or the report of one variant, as plain values."""
    if report:
        return report.as_dict()
    return {
        "file": str(found.file.path),
        "family": found.detected.family.name,
        "encoder": found.config.as_dict(),
        "facts": facts(found),
        "assumed": list(found.assumptions),
        "dropped": found.skipped,
        "variants": outcomes(found),
    }

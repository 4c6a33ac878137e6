"""What a checkpoint contains, and what each model variant would load, as text and as JSON."""

from collections.abc import Iterator
from typing import Any

from encoder.checkpoint.adapt import DEFAULTS, NORMALISED, POOLED, LoadPlan, adapt, shape_of
from encoder.checkpoint.load_report import (
    LoadReport,
    by_reason,
    describe_input,
    describe_normalisation,
    describe_size,
    grouped,
    line,
    wrapped,
)
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.qkv_formats import QKV_FORMATS, qkv_format
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import first_error
from encoder.variants import VARIANTS, as_variant


def inspect_lines(source: SourceEncoder) -> Iterator[str]:
    """The file's contents, then what each variant would load."""
    yield f"{source.file.path}: {source.detected.family.title}"
    yield from (line(label, text) for label, text in facts(source).items())
    for assumption in source.assumptions:
        yield line("assumed", assumption)
    yield "loaded into a variant:"
    for outcome, names in by_reason(outcomes(source)):
        yield f"  {', '.join(names)}"
        yield from (wrapped(f"    {text}", 6) for text in outcome)


def facts(source: SourceEncoder) -> dict[str, str]:
    """What the file, its family and the overrides say, by label."""
    config, detected = source.config, source.detected
    tensors = source.file.tensors
    values = sum(shape_of(recipe, tensors).numel() for recipe in source.recipes.values())
    types = sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()})
    wrapper = f", under {source.file.wrapper!r}" if source.file.wrapper else ""
    root = f", prefix {detected.root}" if detected.root else ""
    skipped = "; ".join(
        f"{len(names)} tensors ({grouped(names, detected.root)}): {reason}"
        for reason, names in by_reason(source.skipped)
    )
    block = [config.activation, f"LayerNorm eps {config.norm_eps:g}"]
    block += ["pre-norm"] if config.pre_norm else []
    block += ["LayerScale"] if config.layer_scale else []
    return {
        "size": f"{describe_size(config)}, MLP ratio {config.mlp_ratio:.4g}",
        "weights": f"{len(source.recipes)} tensors, {values / 1e6:.1f} M values, "
        f"{', '.join(types)}",
        "tensor names": f"{detected.key_map.title}{wrapper}{root}",
        "input": f"{describe_input(config)}; {describe_normalisation(config)}",
        "positions": f"{config.pos_embed}, {'learned' if config.positions_learned else 'computed'}",
        "class token": "yes" if config.class_token else "no",
        "attention": f"{config.attention}; stored as {_stored_qkv(source)}",
        "block": ", ".join(block),
        "output": f"{POOLED[config.pooling]}; LayerNorm of {NORMALISED[config.norm]}",
        "skipped": skipped or "nothing",
    }


def _stored_qkv(source: SourceEncoder) -> str:
    names = source.detected.names  # empty: this project's own file
    return QKV_FORMATS[qkv_format(names) if names else "q_v"]


def outcomes(source: SourceEncoder) -> dict[str, tuple[str, ...]]:
    """What each variant, at the file's size and image size, would load or why it cannot."""
    result = {}
    for row, variant in VARIANTS.items():
        size, is_known, _ = describe_size(source.config).partition(": ")
        name = row.format(size if is_known else "*")
        clip = {"num_frames": variant.frames, "image_size": source.config.image_size}
        try:
            plan = adapt(source, as_variant(variant, source.config, **clip), DEFAULTS)
            result[name] = _summary(source, plan)
        except CheckpointMismatch as error:
            result[name] = ("refused: " + str(error).partition(": ")[2],)
        except ValueError as error:
            result[name] = ("refused: " + first_error(error),)
    return result


def _summary(source: SourceEncoder, plan: LoadPlan) -> tuple[str, ...]:
    read = {recipe.sources: recipe.change for recipe in source.recipes.values()}
    changes = {
        name: change
        for name, recipe in plan.recipes.items()
        if name not in source.recipes or recipe is not source.recipes[name]
        if (change := _further_change(recipe.change, read.get(recipe.sources, "")))
    }
    skipped = [name for name in plan.skipped if name not in source.skipped]
    lines = [f"{grouped(names)}: {change}" for change, names in by_reason(changes)]
    lines += plan.notes
    lines += [f"skipped: {grouped(skipped, source.detected.root)}"] if skipped else []
    lines += [f"newly initialised: {grouped(plan.initialised)}"] if plan.initialised else []
    return tuple(lines) or ("exact",)


def _further_change(change: str, on_reading: str) -> str:
    """What was done to a tensor after reading it."""
    return change.removeprefix(on_reading).removeprefix(", then ")


def as_json(source: SourceEncoder, report: LoadReport | None) -> dict[str, Any]:
    """The contents of a file, or the report of one variant, as plain values."""
    if report:
        return report.as_dict()
    return {
        "file": str(source.file.path),
        "family": source.detected.name,
        "encoder": source.config.as_dict(),
        "facts": facts(source),
        "assumed": list(source.assumptions),
        "skipped": source.skipped,
        "variants": outcomes(source),
    }

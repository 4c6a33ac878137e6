"""The families of checkpoints, known by names and shapes; what their names do not say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from encoder.checkpoint.key_maps import LAYOUTS, Layout, common_name, find_roots, rename
from encoder.checkpoint.safe_open import CheckpointMismatch


class Pixels(NamedTuple):
    """Mean and deviation of the pixels (in 0..1) that a family was trained with."""

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Pixels("ImageNet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Pixels("half", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = Pixels("CLIP", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
KINETICS = Pixels("Kinetics", (0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
NORMALISATIONS = {pixels.name.lower(): pixels for pixels in (IMAGENET, HALF, CLIP, KINETICS)}


class Family(NamedTuple):
    """One row: by which common names it is known, and what an encoder of it needs beside them."""

    name: str
    title: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    kernel_axes: int = 0  # axes of the patch embedding's weight, 5 with time; 0: either
    pixels: Pixels = IMAGENET
    grid_frames: int = 8  # tubelets in time where the file does not say it
    fields: Mapping[str, Any] = MappingProxyType({})  # fields of EncoderConfig
    ambiguity: str = ""  # what other files with the same names would want otherwise
    unused: tuple[str, ...] = ()  # tables in the file that are computed here


OWN_FAMILY = Family("own", "this project's", kernel_axes=2)
CLIP_BLOCK = {"activation": "quick_gelu", "norm_eps": 1e-5}
POSITIONS = ("pos_embed", "pos_embed_spatial")
# The first row that fits counts.
FAMILIES = (
    OWN_FAMILY,
    Family("umt", "UMT (pretraining)", has=("clip_decoder.0.norm.weight",)),
    Family(
        "mvd",
        "MVD or SurgVISTA student (pretraining)",
        has=("mask_token_vid", "decoder_vid.norm.weight"),
        kernel_axes=5,
        fields={"pos_embed": "sincos3d"},
        unused=("pos_embed",),
    ),
    Family(
        "timesformer",
        "TimeSformer",
        has=("blocks.0.time_attn.qkv.weight", "cls_token", "pos_embed", "time_embed"),
        kernel_axes=4,
        pixels=KINETICS,
        fields={"attention": "divided", "pooling": "first"},
    ),
    Family(
        "mae_st",
        "mae_st (MAE or ViT for video, separate positions)",
        has=("pos_embed_spatial", "pos_embed_temporal"),
        kernel_axes=5,
        pixels=KINETICS,
        fields={"pooling": "first"},
    ),
    Family(
        "mae_st_joint",
        "mae_st (MAE or ViT for video, joint positions)",
        has=("pos_embed", "blocks.0.attn.q.weight"),
        lacks=("fc_norm.weight",),
        kernel_axes=5,
        pixels=KINETICS,
        fields={"pooling": "first"},
    ),
    Family(
        "unified_image_clip",
        "unified_base_image of CLIP's kind",
        has=("cls_token", "pos_embed", "time_embed", "norm_pre.weight"),
        kernel_axes=4,
        pixels=CLIP,
        fields={**CLIP_BLOCK, "pooling": "first"},
    ),
    Family(
        "unified_image",
        "unified_base_image",
        has=("cls_token", "pos_embed", "time_embed"),
        kernel_axes=4,
        fields={"pooling": "first"},
        ambiguity="pixels: of 0.5 and 0.5 where it began as augreg or orig_in21k",
    ),
    Family(
        "clip",
        "CLIP's image encoder",
        has=("cls_token", "pos_embed", "norm_pre.weight"),
        kernel_axes=4,
        pixels=CLIP,
        grid_frames=1,
        fields={**CLIP_BLOCK, "pooling": "first"},
        ambiguity="activation: gelu where it is not OpenAI's (LAION)",
    ),
    Family(
        "image",
        "image ViT (MAE, DINO, supervised)",
        has=("cls_token", "pos_embed"),
        kernel_axes=4,
        grid_frames=1,
        fields={"pooling": "first"},
        ambiguity="pixels: mean 0.5, std 0.5 where it is augreg or orig_in21k (normalisation=half)",
    ),
    Family(
        "learned",
        "unified model with learned positions",
        has=("pos_embed",),
        lacks=("cls_token",),
        fields={"pos_embed": "learned"},
    ),
    Family(
        "image_mae",
        "MAE for images with computed positions (pretraining)",
        has=("encoder_to_decoder.weight",),
        lacks=("cls_token", *POSITIONS),
        kernel_axes=4,
        grid_frames=1,
    ),
    Family(
        "videomae_pretrain",
        "VideoMAE, VideoMAE V2, InternVideo (pretraining)",
        has=("encoder_to_decoder.weight",),
        lacks=("cls_token", *POSITIONS),
    ),
    Family(
        "videomae_finetuned",
        "VideoMAE, VideoMAE V2, InternVideo, unified model (finetuned)",
        has=("fc_norm.weight",),
        lacks=("cls_token", *POSITIONS),
        ambiguity="positions: sincos3d where it was finetuned as unified_base_st",
    ),
    Family(
        "videomae",
        "VideoMAE's encoder",
        lacks=("cls_token", *POSITIONS),
    ),
)


class DetectedFamily(NamedTuple):
    """A file whose family is known."""

    family: Family
    layout: Layout
    root: str
    names: dict[str, str]  # common name -> name in the file, of what lies under the root
    other_names: tuple[str, ...]  # names in the file of all else


def detect_family(tensors: Mapping[str, Tensor], source: str) -> DetectedFamily:
    """The family of tensors, by their names and shapes.

    Raises CheckpointMismatch where no family fits, or more than one encoder lies in the file.
    """
    found = [(layout, root) for layout in LAYOUTS for root in find_roots(tensors, layout)]
    if not found:
        raise CheckpointMismatch(
            f"{source}: holds no video or image transformer that is known here; its "
            f"{len(tensors)} tensors are named like {', '.join(list(tensors)[:3])}; expected "
            f"{' or '.join(layout.embed for layout in LAYOUTS)}"
        )
    if len(found) > 1:
        where = " and ".join(f"{layout.name} under {root or '(top)'!r}" for layout, root in found)
        raise CheckpointMismatch(
            f"{source}: holds {len(found)} encoders, {where}; save the one that is wanted alone"
        )
    ((layout, root),) = found
    return _family(tensors, layout, root, source)


def _family(
    tensors: Mapping[str, Tensor], layout: Layout, root: str, source: str
) -> DetectedFamily:
    common = {}
    outside = []
    for name in tensors:
        if name.startswith(root):
            common[common_name(name.removeprefix(root), layout)] = name
        elif any(name.startswith(left) for left, _ in layout.outside):
            common[rename(name, layout.outside)] = name
        else:
            outside.append(name)
    kernel = tensors[common["patch_embed.proj.weight"]].ndim
    everywhere = common.keys() | set(outside)
    for family in FAMILIES:
        if family.kernel_axes not in (0, kernel):
            continue
        if everywhere >= set(family.has) and not common.keys() & set(family.lacks):
            return DetectedFamily(family, layout, root, common, tuple(outside))
    beside = sorted(name for name in common if not name.startswith("blocks."))
    raise CheckpointMismatch(
        f"{source}: a transformer in {layout.name}'s names, but of no known family: beside its "
        f"blocks it has {', '.join(beside[:8])}, and a patch embedding of {kernel} axes"
    )

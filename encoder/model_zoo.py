"""Published models by name: source, licence, and how each is loaded.

`available_models()` lists the names, `load_model(name)` loads the encoder.
"""

import hashlib
import os
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlparse

from encoder.checkpoint.load import LoadedEncoder, load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch

NON_COMMERCIAL = "CC BY-NC 4.0"
APACHE = "Apache-2.0"
MAE_ST = "MIT; model code CC BY-NC 4.0 (non-commercial)"


class ModelCard(NamedTuple):
    """One published file."""

    file: str  # in the source
    source: str  # a repository on the Hugging Face Hub, or a web page
    licence: str
    variant: str  # that SurgVISTA's program loads it into
    sha256: str = ""  # empty: unknown
    overrides: Mapping[str, Any] = MappingProxyType({})  # of CheckpointOverrides

    @property
    def on_hub(self) -> bool:
        return "://" not in self.source


def _surgvista_files() -> dict[str, ModelCard]:
    """The files that SurgVISTA's finetuning starts from, under its names."""
    half = {"normalisation": "half"}
    image = {
        "mae_base_imagenet1k": ("vit_base_patch16_224.mae", NON_COMMERCIAL, {}),
        "dino_base_imagenet1k": ("vit_base_patch16_224.dino", APACHE, {}),
        "supervised_base_imagenet1k": ("vit_base_patch16_224.augreg_in1k", APACHE, half),
        "supervised_base_imagenet21k": ("vit_base_patch16_224.orig_in21k", APACHE, half),
        "clip_base_wit400m": ("vit_base_patch16_clip_224.openai", APACHE, {}),
    }
    cards = {
        name: ModelCard(
            "pytorch_model.bin", f"timm/{model}", licence, "unified_base_2D", overrides=overrides
        )
        for name, (model, licence, overrides) in image.items()
    }
    videomae = "https://github.com/MCG-NJU/VideoMAE/blob/main/MODEL_ZOO.md"
    return cards | {
        "videomae_base_k400_1600e": ModelCard(
            "checkpoint.pth", videomae, NON_COMMERCIAL, "unified_base"
        ),
        "videomae_base_ssv2_2400e": ModelCard(
            "checkpoint.pth", videomae, NON_COMMERCIAL, "unified_base"
        ),
        "internvideo_base_hybrid_800e": ModelCard(
            "internvideomae_classification/vit_b_hybrid_pt_800e.pth",
            "OpenGVLab/InternVideo1.0",
            APACHE,
            "unified_base",
        ),
        "videomaev2_base_ft_k710_pt_hybrid_giant": ModelCard(
            "distill/vit_b_k710_dl_from_giant.pth",
            "OpenGVLab/VideoMAE2",
            NON_COMMERCIAL,
            "unified_base",
            sha256="8141a6955e0700d11bf15928fe6d61e5cfe482606fed8cfdddb1b922c0fd88ec",
        ),
        "umt_base_k710_200e": ModelCard(
            "b16_ptk710_f8_res224.pth",
            "https://github.com/OpenGVLab/unmasked_teacher/blob/main/single_modality/MODEL_ZOO.md",
            APACHE,
            "unified_base",
        ),
        "mvd_base_k400_400e": ModelCard(
            "checkpoint.pth",
            "https://github.com/ruiwang2021/mvd",
            NON_COMMERCIAL,
            "unified_base_st",
        ),
        "SurgVISTA": ModelCard(
            "SurgVISTA.pth",
            "https://github.com/isyangshu/SurgVISTA",
            "CC BY-NC-ND 4.0",
            "unified_base_st",
        ),
    }


def _mae_st_names() -> dict[str, ModelCard]:
    """`x_y_z`: model, pretraining data, data of the few-shot finetuning."""
    pretrained = ("say", "s", "kinetics", "kinetics-200h")
    finetuned = [f"{data}-{shots}shot" for data, shots in product(("ssv2", "kinetics"), (50, 10))]
    rows = list(product(("mae", "vit"), pretrained, ("none",)))
    rows += product(("vit",), pretrained, finetuned)
    return {
        f"{x}_{y}_{z}": ModelCard(f"{y}_{z}.pth", "eminorhan/video-models", MAE_ST, "")
        for x, y, z in rows
    }


CARDS: dict[str, ModelCard] = _surgvista_files() | _mae_st_names()


def available_models() -> list[str]:
    """Names for `load_model`."""
    return sorted(CARDS)


def model_lines(name: str | None) -> list[str]:
    """A line for one model, or for every model: name, variant, licence, source."""
    names = [name] if name else available_models()
    cards = [find_card(each) for each in names]
    rows = [
        (each, card.variant or "-", card.licence, f"{card.source}: {card.file}")
        for each, card in zip(names, cards, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def find_card(name: str) -> ModelCard:
    """The card of a name; raises CheckpointMismatch with the nearest names."""
    if name in CARDS:
        return CARDS[name]
    near = get_close_matches(name, CARDS, n=3, cutoff=0.4)
    raise CheckpointMismatch(
        f"{name}: no such file, and no published model has this name; "
        + (f"nearest: {', '.join(near)}" if near else "`python -m encoder models` lists them")
    )


def load_model(name: str) -> LoadedEncoder:
    """Loads the encoder of a published model; see `find_model`."""
    return load_encoder(
        find_model(name), overrides=CheckpointOverrides(**find_card(name).overrides)
    )


def resolve_weights(
    source: str, overrides: CheckpointOverrides
) -> tuple[Path, CheckpointOverrides]:
    """A file or folder unchanged; or a published model's file, and the overrides on its card.

    Given overrides take precedence. Raises what `find_model` raises.
    """
    path = Path(source)
    if path.exists() or (source not in CARDS and path.suffix):
        return path, overrides
    card = find_card(source)
    return find_model(source), replace(CheckpointOverrides(**card.overrides), **overrides.given())


def find_model(name: str) -> Path:
    """The file of a published model: in `models_folder`, or downloaded to huggingface_hub's cache.

    Raises CheckpointMismatch where the file can be neither found nor downloaded, or differs from
    the published one.
    """
    card = find_card(name)
    local = models_folder() / f"{name}{Path(card.file).suffix}"
    if local.is_file():
        return _checked(local, card)
    where = f"save it as {local}"
    if not card.on_hub:
        raise CheckpointMismatch(
            f"{name}: download {card.file} by hand from {card.source} (licence {card.licence}) "
            f"and {where}"
        )
    return _checked(_download(name, card, where), card)


def _download(name: str, card: ModelCard, where: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cached = huggingface_hub.try_to_load_from_cache(card.source, card.file)
    if isinstance(cached, str):
        return Path(cached)
    reason = "no network"
    if _reachable(huggingface_hub.constants.ENDPOINT):
        try:
            return Path(huggingface_hub.hf_hub_download(card.source, card.file))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = type(error).__name__
    raise CheckpointMismatch(
        f"{name}: {card.file} of {card.source} cannot be downloaded ({reason}); download it on "
        f"another machine and {where}"
    )


def _reachable(endpoint: str) -> bool:
    """Whether the host name resolves; taken for granted behind a proxy."""
    if urllib.request.getproxies():
        return True
    try:
        return bool(socket.getaddrinfo(urlparse(endpoint).hostname, None))
    except OSError:
        return False


def _checked(path: Path, card: ModelCard) -> Path:
    if card.sha256:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for block in iter(lambda: file.read(2**20), b""):
                digest.update(block)
        actual = digest.hexdigest()
        if actual != card.sha256:
            raise CheckpointMismatch(
                f"{path}: is not the published {card.file} (sha256 {actual[:12]}..., "
                f"published {card.sha256[:12]}...); delete it and download it again"
            )
    return path


def models_folder() -> Path:
    """Folder for files downloaded by hand: `ENCODER_MODELS`, or a folder in the cache.

    A folder that a former version of this program asked for stays in use.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    present, former = cache / "surgmask" / "models", cache / "surgical-video" / "models"
    default = former if former.is_dir() and not present.is_dir() else present
    return Path(os.environ.get("ENCODER_MODELS") or default)

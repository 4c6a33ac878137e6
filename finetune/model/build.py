"""The network of a run: built from its weights once, and the same again when the run goes on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from encoder.checkpoint.tensor_file import find_file
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.config import FinetuneConfig
from finetune.model.backbone import build_backbone
from finetune.model.classifier import Classifier, freeze_encoder
from finetune.model.classifier_file import training_recordings
from finetune.model.head_init import init_head
from finetune.model.heads import build_head
from launch.atomic_io import sha256_file, write_atomic
from launch.distributed.process_group import Processes, compute_on_rank0, run_on_rank0
from launch.errors import ConfigError

NETWORK_FILE = "network.json"
FROZEN_FILE = "frozen.safetensors"


class ModelSpec(NamedTuple):
    """What a run's network is, so that it can be built again without the file it began with."""

    encoder: EncoderConfig
    classes: tuple[str, ...]
    labels: str  # a checksum of all labels
    weights: str  # the file, with its checksum; "" from scratch
    pretrained_on: list[dict[str, Any]]  # recordings, where the file tells


class BuiltModel(NamedTuple):
    model: Classifier
    spec: ModelSpec
    lines: list[str]  # what is to be said of it


def build(
    config: FinetuneConfig, classes: Sequence[str], labels: str, folder: Path, processes: Processes
) -> BuiltModel:
    """A network with the weights that the run begins with, written down in the run's folder."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    encoder = backbone.encoder
    head = build_head(config.head, encoder.config, len(classes))
    lines = [f"backbone: {config.backbone.variant}, fresh weights, seed {config.seed}"]
    weights, pretrained_on = "", []
    if backbone.report is not None:
        found, path = backbone.report.found, backbone.report.found.file.path
        # of many gigabytes, perhaps
        checksum = compute_on_rank0(processes, lambda: sha256_file(find_file(path)))
        weights = f"{path} (sha256 {checksum})"
        pretrained_on = training_recordings(found)
        lines = [f"backbone: {config.backbone.variant}, weights {path}", *backbone.report.lines()]
    lines += init_head(head, config, classes, backbone.source)
    facts = ModelSpec(encoder.config, tuple(classes), labels, weights, pretrained_on)
    model = _prepared(Classifier(encoder, head), config)
    run_on_rank0(processes, lambda: _write(folder, facts, model))
    return BuiltModel(model, facts, lines)


def rebuild(
    config: FinetuneConfig, classes: Sequence[str], labels: str, folder: Path
) -> BuiltModel:
    """The network of a run that goes on; what it trains is still to be read from a checkpoint."""
    facts = read_spec(folder)
    if facts.classes != tuple(classes):
        raise ConfigError(
            f"{folder / NETWORK_FILE}: the run began with the classes {', '.join(facts.classes)}, "
            f"the labels have {', '.join(classes)}; bring the labels back, or give another "
            "run=FOLDER"
        )
    if facts.labels != labels:
        raise ConfigError(
            f"{folder / NETWORK_FILE}: recordings, labels or split are not those that the run "
            "began with; bring them back, or give another run=FOLDER"
        )
    encoder = VideoEncoder(facts.encoder)
    head = build_head(config.head, facts.encoder, len(facts.classes))
    model = _prepared(Classifier(encoder, head), config)
    frozen = _frozen_parameters(model)
    held = read_frozen(folder)
    wanted = {name: tensor.shape for name, tensor in frozen.items()}
    if {name: tensor.shape for name, tensor in held.items()} != wanted:
        raise ConfigError(
            f"{folder / FROZEN_FILE}: holds other tensors than the run does not train "
            f"({len(held)}, wanted {len(frozen)}); give another run=FOLDER"
        )
    for name, tensor in frozen.items():
        tensor.data.copy_(held[name])
    return BuiltModel(model, facts, [])


def _frozen_parameters(model: Classifier) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if not p.requires_grad}


def read_frozen(folder: Path) -> dict[str, Tensor]:
    """What a run does not train, and so no checkpoint holds; nothing where it trains all.

    Those of the model itself are no source: the engine rounds and divides them. Raises ConfigError.
    """
    file = folder / FROZEN_FILE
    try:
        return load_file(file) if file.exists() else {}
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); give another run=FOLDER") from None


def _prepared(model: Classifier, config: FinetuneConfig) -> Classifier:
    freeze_encoder(model, config.tuning.blocks if config.tuning.kind != "knn" else 0)
    return model


def _write(folder: Path, facts: ModelSpec, model: Classifier) -> None:
    frozen = {name: tensor.detach() for name, tensor in _frozen_parameters(model).items()}
    (folder / FROZEN_FILE).unlink(missing_ok=True)  # of a start that came to nothing
    if frozen:
        aside = folder / f"{FROZEN_FILE}.tmp"
        save_file(frozen, aside)
        aside.replace(folder / FROZEN_FILE)
    values = {**facts._asdict(), "encoder": facts.encoder.as_dict()}
    write_atomic(folder / NETWORK_FILE, json.dumps(values, indent=1) + "\n")


def read_spec(folder: Path) -> ModelSpec:
    """Raises ConfigError where the run's folder does not say what its network is."""
    file = folder / NETWORK_FILE
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        encoder = TypeAdapter(EncoderConfig).validate_python(held.pop("encoder"))
        return ModelSpec(encoder, tuple(held.pop("classes")), **held)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(f"{file}: cannot be read ({reason}); give another run=FOLDER") from None

"""The model of a run: built from its initial weights, and rebuilt when the run resumes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from encoder.checkpoint.save_tensors import save_tensors
from encoder.checkpoint.tensor_file import find_file
from encoder.config import EncoderConfig
from encoder.mlp_width import shapes_of, with_stored_width
from encoder.vit import VideoEncoder
from finetune.config import FinetuneConfig
from finetune.model.backbone import build_backbone
from finetune.model.classifier import Classifier, freeze_encoder
from finetune.model.classifier_file import training_recordings
from finetune.model.head_init import init_head
from launch.atomic_io import sha256_file, write_atomic
from launch.distributed.process_group import Processes, compute_on_rank0, run_on_rank0
from launch.errors import ConfigError

NETWORK_FILE = "network.json"
FROZEN_FILE = "frozen.safetensors"


class ModelSpec(NamedTuple):
    """A run's architecture, from which its model is rebuilt without the initial checkpoint."""

    encoder: EncoderConfig
    classes: tuple[str, ...]
    labels: str  # a checksum of all labels
    weights: str  # the initial checkpoint and its checksum; "" from scratch
    pretrained_on: list[dict[str, Any]]  # recordings, where the checkpoint has them


class BuiltModel(NamedTuple):
    model: Classifier
    spec: ModelSpec
    lines: list[str]  # its part of the startup summary


def build(
    config: FinetuneConfig, classes: Sequence[str], labels: str, folder: Path, processes: Processes
) -> BuiltModel:
    """The model with its initial weights; its spec and frozen weights go to the run folder."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone)
    encoder = backbone.encoder
    head = config.head.build(encoder.config, len(classes))
    lines = [f"backbone: {config.backbone.variant}, random weights, seed {config.seed}"]
    weights, pretrained_on = "", []
    if backbone.report is not None:
        source, path = backbone.report.source, backbone.report.source.file.path
        # the file may have many gigabytes
        checksum = compute_on_rank0(processes, lambda: sha256_file(find_file(path)))
        weights = f"{path} (sha256 {checksum})"
        pretrained_on = training_recordings(source)
        lines = [f"backbone: {config.backbone.variant}, weights {path}", *backbone.report.lines()]
    lines += init_head(head, config, classes, backbone.source)
    spec = ModelSpec(encoder.config, tuple(classes), labels, weights, pretrained_on)
    model = Classifier(encoder, head)
    freeze_encoder(model, config.tuning.blocks)
    run_on_rank0(processes, lambda: _write(folder, spec, model))
    return BuiltModel(model, spec, lines)


def rebuild(
    config: FinetuneConfig,
    classes: Sequence[str],
    labels: str,
    folder: Path,
    trained: Mapping[str, Sequence[int]],
) -> BuiltModel:
    """The model of a resumed run; its trained weights are loaded from a checkpoint later.

    `trained`: the shapes of these weights.
    """
    spec, saved = read_spec(folder), read_frozen(folder)
    shapes = {**trained, **shapes_of(saved)}
    spec = spec._replace(encoder=with_stored_width(spec.encoder, shapes, "encoder."))
    if spec.classes != tuple(classes):
        raise ConfigError(
            f"{folder / NETWORK_FILE}: the run started with the classes {', '.join(spec.classes)}, "
            f"the labels have {', '.join(classes)}; restore the labels, or give another run=FOLDER"
        )
    if spec.labels != labels:
        raise ConfigError(
            f"{folder / NETWORK_FILE}: recordings, labels or split have changed since the run "
            "started; restore them, or give another run=FOLDER"
        )
    encoder = VideoEncoder(spec.encoder)
    model = Classifier(encoder, config.head.build(spec.encoder, len(spec.classes)))
    freeze_encoder(model, config.tuning.blocks)
    frozen = _frozen_parameters(model)
    if shapes_of(saved) != shapes_of(frozen):
        raise ConfigError(
            f"{folder / FROZEN_FILE}: its {len(saved)} tensors are not the {len(frozen)} frozen "
            "ones of the model; give another run=FOLDER"
        )
    for name, tensor in frozen.items():
        tensor.data.copy_(saved[name])
    return BuiltModel(model, spec, [])


def _frozen_parameters(model: Classifier) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if not p.requires_grad}


def read_frozen(folder: Path) -> dict[str, Tensor]:
    """The frozen weights of a run, which its checkpoints lack; empty where all are trained.

    The model in memory cannot provide them: the engine rounds and shards them. Raises ConfigError.
    """
    file = folder / FROZEN_FILE
    try:
        return load_file(file) if file.exists() else {}
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); give another run=FOLDER") from None


def _write(folder: Path, spec: ModelSpec, model: Classifier) -> None:
    frozen = {name: tensor.detach() for name, tensor in _frozen_parameters(model).items()}
    (folder / FROZEN_FILE).unlink(missing_ok=True)  # of an interrupted start
    if frozen:
        temporary = folder / f"{FROZEN_FILE}.tmp"
        save_tensors(frozen, temporary)
        temporary.replace(folder / FROZEN_FILE)
    values = {**spec._asdict(), "encoder": spec.encoder.as_dict()}
    write_atomic(folder / NETWORK_FILE, json.dumps(values, indent=1) + "\n")


def read_spec(folder: Path) -> ModelSpec:
    """Raises ConfigError where the run folder has no valid model spec."""
    file = folder / NETWORK_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values = TypeAdapter(dict[str, Any]).validate_python(values)
        values["encoder"] = TypeAdapter(EncoderConfig).validate_python(values.get("encoder"))
        return TypeAdapter(ModelSpec).validate_python(values)
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"{file}: cannot be read ({reason}); restore it, or give another run=FOLDER"
        ) from None

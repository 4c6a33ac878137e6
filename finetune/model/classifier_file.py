"""A trained classifier as one file, `classifier.safetensors`, with all settings to use it."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.native_format import load_strictly, save_encoder, shape_text
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata, read_metadata
from encoder.checkpoint.tensor_file import TensorFile, find_file
from encoder.config import EncoderConfig, first_error
from finetune.data.clip_sampling import ClipSampling
from finetune.data.interval import Sampling
from finetune.data.windows import WindowSampling
from finetune.model.classifier import Classifier
from finetune.model.heads import Head
from launch.plugins import imported_plugins, require_plugins

ENCODER_FILE = "encoder.safetensors"  # of a pretraining run
CLASSIFIER_FILE = "classifier.safetensors"


class ClassifierMetadata(NamedTuple):
    """The metadata of a classifier file."""

    classes: tuple[str, ...]
    head: Head
    multi_label: bool  # whether a sample may have several classes
    step: int
    recordings: list[dict[str, Any]]  # on which encoder or head were trained
    sampling: dict[str, Any]  # frame sampling of the first data set
    eval_crop: Literal["center", "resize"]
    validation: dict[str, Any]  # metric and value; empty without validation


FORMER_FIELDS = {"multi_label": "many", "eval_crop": "fitting"}
FORMER_CROPS = {"centre": "center", "squeeze": "resize"}
SAMPLINGS: dict[str, Any] = {"window": WindowSampling, "clip": ClipSampling}


def sampling_as_dict(sampling: Sampling) -> dict[str, Any]:
    """Frame sampling as plain values."""
    form = next(name for name, cls in SAMPLINGS.items() if isinstance(sampling, cls))
    return {"form": form, **TypeAdapter(SAMPLINGS[form]).dump_python(sampling)}


def read_sampling(metadata: ClassifierMetadata, source: Path) -> WindowSampling | ClipSampling:
    """Raises CheckpointMismatch."""
    values = dict(metadata.sampling)
    try:
        sampling = TypeAdapter(SAMPLINGS[values.pop("form", "")]).validate_python(values)
    except (KeyError, ValidationError) as error:
        reason = first_error(error) if isinstance(error, ValidationError) else f"has no {error}"
        raise CheckpointMismatch(f"{source}: metadata sampling {reason}") from None
    assert isinstance(sampling, WindowSampling | ClipSampling)
    return sampling


def save_classifier(
    path: Path, tensors: dict[str, Tensor], encoder: EncoderConfig, metadata: ClassifierMetadata
) -> None:
    """Writes weights `encoder.*` and `head.*`, atomically."""
    head = TypeAdapter(type(metadata.head)).dump_python(metadata.head)
    values = {**metadata._asdict(), "head": head, "plugins": imported_plugins()}
    save_encoder(path, tensors, encoder, **values)


def read_classifier_metadata(path: Path) -> ClassifierMetadata:
    """Raises CheckpointMismatch where a file is not a classifier of this project.

    Raises MissingPlugins where its head is perhaps a row of a plugin that was not given.
    """
    values = {name: _parse_field(path, name) for name in ClassifierMetadata._fields}
    try:
        checked = {
            name: TypeAdapter(hint).validate_python(values[name])
            for name, hint in ClassifierMetadata.__annotations__.items()
        }
    except ValidationError as error:
        if "plugins" in read_metadata(path):
            require_plugins(parse_metadata(path, "plugins"), str(path))
        raise CheckpointMismatch(f"{path}: metadata {first_error(error)}") from None
    return ClassifierMetadata(**checked)


def _parse_field(path: Path, name: str) -> Any:
    """A field of the metadata, under its present or former name."""
    former = FORMER_FIELDS.get(name)
    if former and name not in read_metadata(path):
        value = parse_metadata(path, former)
    else:
        value = parse_metadata(path, name)
    return FORMER_CROPS.get(value, value) if name == "eval_crop" else value


def load_classifier(path: Path) -> tuple[Classifier, ClassifierMetadata]:
    """The model of a file or of a run folder, in evaluation mode.

    Raises CheckpointMismatch.
    """
    file = path / CLASSIFIER_FILE if path.is_dir() else path
    _require_classifier(path, file)
    metadata = read_classifier_metadata(file)
    encoder = load_encoder(file).encoder
    head = metadata.head.build(encoder.config, len(metadata.classes))
    tensors, prefix = TensorFile(file), "head."
    weights = {
        name.removeprefix(prefix): tensors.read(name)
        for name in tensors.tensors
        if name.startswith(prefix)
    }
    load_strictly(head, weights, file)
    return Classifier(encoder, head).eval(), metadata


def _require_classifier(path: Path, file: Path) -> None:
    """Raises CheckpointMismatch for a pretraining run, or the encoder of one."""
    if path.is_dir() and not file.exists():
        if (path / ENCODER_FILE).exists():
            raise CheckpointMismatch(f"{path}: is a pretraining run; give a finetuning run")
        raise CheckpointMismatch(
            f"{path}: has no {CLASSIFIER_FILE}; give a finetuning run that is complete"
        )
    if "encoder" in (metadata := read_metadata(file)) and "classes" not in metadata:
        raise CheckpointMismatch(f"{file}: is an encoder without classifier; give a finetuning run")


class ClassifierMatrix(NamedTuple):
    """The matrix of a trained classifier."""

    weight: Tensor  # [k d]
    bias: Tensor  # [k]
    classes: tuple[str, ...] | None  # where the file has their names


def read_classifier_matrix(source: SourceEncoder) -> ClassifierMatrix:
    """The classifier of a finetuned checkpoint, of this project or published.

    Raises CheckpointMismatch where it has none.
    """
    file, classes = source.file, None
    prefix, names = "head.", source.detected.names
    if "head" in file.metadata and "classes" in file.metadata:  # of this project
        metadata = read_classifier_metadata(find_file(file.path))
        prefix, classes = f"head.{metadata.head.spec.classifier}.", metadata.classes
        names = {name: name for name in file.tensors}
    if f"{prefix}weight" not in names or f"{prefix}bias" not in names:
        raise CheckpointMismatch(
            f"{file.path}: has no classifier; drop head_init, or give a finetuned checkpoint"
        )
    stored = names[f"{prefix}weight"], names[f"{prefix}bias"]
    weight, bias = (file.read(name).float() for name in stored)
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise CheckpointMismatch(
            f"{file.path}: {stored[0]} is {shape_text(weight.shape)} and {stored[1]} "
            f"{shape_text(bias.shape)}, not a matrix of classes and its bias; drop head_init"
        )
    return ClassifierMatrix(weight, bias, classes)


def training_recordings(source: SourceEncoder) -> list[dict[str, Any]]:
    """The recordings on which weights were trained, where their file records them."""
    file = source.file
    recorded = file.metadata.get("recordings")
    return parse_metadata(find_file(file.path), "recordings") if isinstance(recorded, str) else []

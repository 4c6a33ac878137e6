"""A trained classifier as one file: `classifier.safetensors`, with all that is needed to use it."""

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
from finetune.data.windows import WindowSampling
from finetune.model.classifier import Classifier
from finetune.model.config import HeadConfig
from finetune.model.heads import build_head

CLASSIFIER_FILE = "classifier.safetensors"


class ClassifierMetadata(NamedTuple):
    """What a classifier's file says beside its weights."""

    classes: tuple[str, ...]
    head: HeadConfig
    multi_label: bool  # whether a sample may have several classes
    step: int
    recordings: list[dict[str, Any]]  # that encoder or head were trained on
    sampling: dict[str, Any]  # how frames were chosen, the first set's
    eval_crop: Literal["center", "resize"]  # of the picture in a test
    validation: dict[str, Any]  # metric, value; empty without one


FORMER_FIELDS = {"multi_label": "many", "eval_crop": "fitting"}
FORMER_CROPS = {"centre": "center", "squeeze": "resize"}
SAMPLINGS: dict[str, Any] = {"window": WindowSampling, "clip": ClipSampling}


def sampling_as_dict(sampling: WindowSampling | ClipSampling) -> dict[str, Any]:
    """How frames are chosen, as plain values."""
    form = "window" if isinstance(sampling, WindowSampling) else "clip"
    return {"form": form, **TypeAdapter(SAMPLINGS[form]).dump_python(sampling)}


def read_sampling(about: ClassifierMetadata, source: Path) -> WindowSampling | ClipSampling:
    """Raises CheckpointMismatch."""
    held = dict(about.sampling)
    try:
        sampling = TypeAdapter(SAMPLINGS[held.pop("form", "")]).validate_python(held)
    except (KeyError, ValidationError) as error:
        reason = first_error(error) if isinstance(error, ValidationError) else f"has no {error}"
        raise CheckpointMismatch(f"{source}: metadata sampling {reason}") from None
    assert isinstance(sampling, WindowSampling | ClipSampling)
    return sampling


def save_classifier(
    path: Path, tensors: dict[str, Tensor], encoder: EncoderConfig, about: ClassifierMetadata
) -> None:
    """Writes weights `encoder.*` and `head.*`; whole or absent."""
    head = TypeAdapter(HeadConfig).dump_python(about.head)
    save_encoder(path, tensors, encoder, **{**about._asdict(), "head": head})


def read_classifier_metadata(path: Path) -> ClassifierMetadata:
    """Raises CheckpointMismatch where a file is no classifier of this project."""
    held = {name: _parse_field(path, name) for name in ClassifierMetadata._fields}
    try:
        head = TypeAdapter(HeadConfig).validate_python(held["head"])
        checked = {
            name: TypeAdapter(kind).validate_python(held[name])
            for name, kind in ClassifierMetadata.__annotations__.items()
            if name != "head"
        }
    except ValidationError as error:
        raise CheckpointMismatch(f"{path}: metadata {first_error(error)}") from None
    return ClassifierMetadata(**checked, head=head)


def _parse_field(path: Path, name: str) -> Any:
    """A field of the metadata, whose name and value may be an earlier version's."""
    former = FORMER_FIELDS.get(name)
    if former and name not in read_metadata(path):
        value = parse_metadata(path, former)
    else:
        value = parse_metadata(path, name)
    return FORMER_CROPS.get(value, value) if name == "eval_crop" else value


def load_classifier(path: Path) -> tuple[Classifier, ClassifierMetadata]:
    """The network of a file or of a run's folder, ready for predictions.

    Raises CheckpointMismatch.
    """
    file = path / CLASSIFIER_FILE if path.is_dir() else path
    about = read_classifier_metadata(file)
    encoder = load_encoder(file).encoder
    head = build_head(about.head, encoder.config, len(about.classes))
    opened, prefix = TensorFile(file), "head."
    weights = {
        name.removeprefix(prefix): opened.read(name)
        for name in opened.tensors
        if name.startswith(prefix)
    }
    load_strictly(head, weights, file)
    return Classifier(encoder, head).eval(), about


class ClassifierMatrix(NamedTuple):
    """The matrix of a trained classifier."""

    weight: Tensor  # [k d]
    bias: Tensor  # [k]
    classes: tuple[str, ...] | None  # where the file names them


def read_classifier_matrix(found: SourceEncoder) -> ClassifierMatrix:
    """The last matrix of a finetuned model's file, of this project or published.

    Raises CheckpointMismatch where it has none.
    """
    file = found.file
    own = {name: name for name in file.tensors}
    for prefix, names in (("head.classifier.", own), ("head.", found.known.common)):
        held = [names[name] for name in (f"{prefix}weight", f"{prefix}bias") if name in names]
        if len(held) == 2:
            weight, bias = (file.read(name).float() for name in held)
            if weight.ndim != 2 or bias.shape != weight.shape[:1]:
                raise CheckpointMismatch(
                    f"{file.path}: {held[0]} is {shape_text(weight.shape)} and {held[1]} "
                    f"{shape_text(bias.shape)}, no matrix of classes and its bias; drop head_init"
                )
            classes = (
                read_classifier_metadata(find_file(file.path)).classes if names is own else None
            )
            return ClassifierMatrix(weight, bias, classes)
    raise CheckpointMismatch(
        f"{file.path}: has no classifier whose rows could be taken; drop head_init, or give a "
        "finetuned file"
    )


def training_recordings(found: SourceEncoder) -> list[dict[str, Any]]:
    """The recordings that weights were trained on, where their file tells."""
    file = found.file
    held = file.recorded.get("recordings")
    return parse_metadata(find_file(file.path), "recordings") if isinstance(held, str) else []

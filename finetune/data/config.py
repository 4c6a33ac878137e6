"""The configuration of labelled sets, and of how their recordings become clips."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.augment.config import ClipAugmentation
from finetune.data.clip_sampling import ClipSampling
from finetune.data.windows import WindowSampling
from launch.config import MAY_CHANGE, STRICT, FormerValues, Positive, former
from video.readers.registry import PreferredReader

PositiveFloat = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class TimestampsConfig:
    """Recordings with labels in time: every timestamp is a sample."""

    source: Annotated[str, MAY_CHANGE]
    """Recordings: a folder, a manifest, a CSV file or a list."""
    labels: Annotated[Path, MAY_CHANGE]
    """One label file for all recordings, a pattern with {name}, or a folder with one for each."""
    split: Path
    """Which recordings are train, val and test: a YAML file, or the name of a shipped split."""
    kind: Annotated[Literal["timestamps"], FormerValues({"moments": "timestamps"})] = "timestamps"
    """timestamps: labels in time; clips: labelled clips."""
    classes: tuple[str, ...] | None = None
    """Class names in order; null: those of all labels."""
    multi_label: Annotated[bool, former("targets"), FormerValues({"one": False, "many": True})] = (
        False
    )
    """Whether a timestamp may have several classes."""
    category: Literal["phase", "instrument", "verb", "target", "triplet"] = "phase"
    """Category of CholecT50's labels."""
    rate: PositiveFloat = 1.0
    """Samples per second of recording."""
    label_fps: PositiveFloat = 25.0
    """Frames per second that the labels count in."""
    sampling: WindowSampling = field(default_factory=WindowSampling)
    """Frames of the window that each timestamp is classified from."""


@dataclass(frozen=True, config=STRICT)
class ClipsConfig:
    """Clips, or parts of recordings, with one label each."""

    clips: Path | dict[str, Path]
    """A list, a CSV file or class folders; or one for each of train, val and test."""
    kind: Literal["clips"] = "clips"
    """timestamps: labels in time; clips: labelled clips."""
    source: str | None = None
    """Where the recordings are that were prepared from the listed ones."""
    split: Path | None = None
    """Which clips are train, val and test, where `clips` does not say it."""
    classes: tuple[str, ...] | None = None
    """Class names in order; null: those of all labels."""
    allow_shared_recordings: bool = False
    """Accept clips of one recording in both train and test; the report says so."""
    sampling: ClipSampling = field(default_factory=ClipSampling)
    """Frames of a clip."""


DatasetConfig = Annotated[TimestampsConfig | ClipsConfig, Field(discriminator="kind")]


@dataclass(frozen=True, config=STRICT)
class FinetuneDataConfig:
    """Labelled recordings, and how they become clips."""

    dataset: Annotated[DatasetConfig | None, former("set")] = None
    """The labelled set."""
    datasets: Annotated[dict[str, DatasetConfig], former("sets")] = field(default_factory=dict)
    """Several labelled sets by name, instead of dataset; needs label_space."""
    label_space: Annotated[Path | None, former("space")] = None
    """The merged classes of datasets, written by `python -m finetune merge`."""
    shots_per_class: Annotated[Positive | None, former("few")] = None
    """Labelled samples of each class that training keeps; null: all."""
    augmentation: ClipAugmentation = field(default_factory=ClipAugmentation)
    """Crops, flips, RandAugment and random erasing of training clips."""
    clips_per_read: Positive = 1
    """Augmented clips that are made of one decoded clip."""
    eval_crop: Annotated[
        Literal["center", "resize"],
        former("fitting"),
        FormerValues({"centre": "center", "squeeze": "resize"}),
    ] = "center"
    """Frames at evaluation: center crop, or the whole frame resized whatever its proportions."""
    workers: Annotated[int, Field(ge=0), MAY_CHANGE] = 4
    """Data-loading processes of each rank."""
    reader: PreferredReader = "pyav"
    """Preferred reader of video files that no manifest assigns a reader to."""
    folder_fps: PositiveFloat = 1.0
    """Frame rate of folders of images."""
    read_timeout: Annotated[PositiveFloat, MAY_CHANGE] = 120.0
    """Seconds after which a read counts as failed."""
    max_unreadable: Annotated[float, Field(ge=0, le=1), MAY_CHANGE] = 0.01
    """Share of unreadable samples above which the run ends."""

    @model_validator(mode="after")
    def _somewhere(self) -> "FinetuneDataConfig":
        if (self.dataset is None) == (not self.datasets):
            raise ValueError("give either dataset, or datasets, several by name")
        if bool(self.datasets) != (self.label_space is not None):
            raise ValueError("datasets requires label_space, and vice versa")
        if self.shots_per_class is not None and self.datasets:
            raise ValueError("shots_per_class needs a single set; give dataset")
        return self

    @property
    def named(self) -> dict[str, DatasetConfig]:
        """All sets by name; that of a single one is empty."""
        return self.datasets if self.dataset is None else {"": self.dataset}

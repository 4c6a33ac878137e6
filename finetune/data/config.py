"""The configuration of labelled sets, and of how their recordings become clips."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.augment.config import ClipAugmentation
from finetune.data.dataset_kinds import DATASET_KINDS, DatasetConfig
from launch.config import MAY_CHANGE, STRICT, FormerValues, Positive, former
from launch.kinds import one_of
from video.readers.registry import PreferredReader

PositiveFloat = Annotated[float, Field(gt=0)]
AnyDataset = Annotated[DatasetConfig, one_of(DATASET_KINDS)]


@dataclass(frozen=True, config=STRICT)
class FinetuneDataConfig:
    """Labelled recordings, and how they become clips."""

    dataset: Annotated[AnyDataset | None, former("set")] = None
    """The labelled set."""
    datasets: Annotated[dict[str, AnyDataset], former("sets")] = field(default_factory=dict)
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
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several; null: the largest long one."""
    read_timeout: Annotated[PositiveFloat, MAY_CHANGE] = 120.0
    """Seconds after which a read counts as failed."""
    allow_similar: Annotated[bool, MAY_CHANGE] = False
    """Accept recordings that look like one of another part, or of pretraining; they are listed."""
    max_unreadable: Annotated[float, Field(ge=0, le=1), MAY_CHANGE] = 0.01
    """Share of unreadable samples above which the run ends."""

    @model_validator(mode="after")
    def _require_trainable_sets(self) -> "FinetuneDataConfig":
        if self.dataset is not None and self.datasets:
            raise ValueError(
                f"dataset and datasets {', '.join(self.datasets)} are both given; set "
                "dataset=null or datasets={}"
            )
        if self.dataset is None and not self.datasets:
            raise ValueError(
                "has no labelled recordings; set dataset={source: FOLDER, labels: FILE}, or "
                "datasets={NAME: {...}, ...}"
            )
        if bool(self.datasets) != (self.label_space is not None):
            raise ValueError("datasets requires label_space, and vice versa")
        if self.shots_per_class is not None and self.datasets:
            raise ValueError(
                f"shots_per_class {self.shots_per_class} needs a single set; set "
                "shots_per_class=null, or give dataset instead of datasets"
            )
        for name, each in self.named.items():
            if problem := each.training_problem():
                raise ValueError(self.key_of(name, problem).removeprefix("data."))
        return self

    def key_of(self, name: str, setting: str) -> str:
        """The key of a set's setting."""
        return f"data.datasets.{name}.{setting}" if name else f"data.dataset.{setting}"

    @property
    def named(self) -> dict[str, DatasetConfig]:
        """All sets by name; the name of a single one is empty."""
        return self.datasets if self.dataset is None else {"": self.dataset}

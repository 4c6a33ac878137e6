"""Recordings with labels in time: every timestamp is a sample."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.data.labelled_set import LabelledSet, label_recordings
from finetune.data.recording_opener import RecordingOpener
from finetune.data.splits import find_split
from finetune.data.windows import WindowSampling
from launch.config import MAY_CHANGE, STRICT, FormerValues, former

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class TimestampsConfig:
    """Recordings with labels in time: every timestamp is a sample."""

    ordered_in_time: ClassVar[bool] = True
    multiple_test_clips: ClassVar[bool] = False
    cli_arguments: ClassVar[tuple[str, ...]] = ("source", "labels")

    source: Annotated[str, MAY_CHANGE]
    """Recordings: a folder, a manifest, a CSV file or a list."""
    labels: Annotated[Path, MAY_CHANGE]
    """One label file for all recordings, a pattern with {name}, or a folder with one for each."""
    split: Path | None = None
    """Which recordings are train, val and test: a YAML file, or the name of a shipped split.
    Training requires it."""
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
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several in this set; null: data.stream."""
    sampling: WindowSampling = field(default_factory=WindowSampling)
    """Frames of the window that each timestamp is classified from."""

    def training_problem(self) -> str:
        """Training needs a split; the command `labels` does not."""
        return "" if self.split else "split: is missing; give a YAML file or a shipped split"

    def load(self, opener: RecordingOpener, classes: Sequence[str] | None) -> LabelledSet:
        """Aligns the labels to the recordings."""
        return label_recordings(
            opener.with_stream(self.stream).open_source(Path(self.source)),
            self.labels,
            find_split(self.split) if self.split else None,
            self.rate,
            self.label_fps,
            classes,
            self.multi_label,
            self.category,
        )

"""Labelled clips: whole recordings, or intervals of them."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.data.clip_labels import label_clips
from finetune.data.clip_lists import paths_of, read_parts
from finetune.data.clip_sampling import ClipSampling
from finetune.data.labelled_set import LabelledSet
from finetune.data.recording_opener import RecordingOpener
from finetune.data.splits import find_split
from launch.config import STRICT


@dataclass(frozen=True, config=STRICT)
class ClipsConfig:
    """Labelled clips: whole recordings, or intervals of them."""

    ordered_in_time: ClassVar[bool] = False
    multiple_test_clips: ClassVar[bool] = True
    multi_label: ClassVar[bool] = False
    cli_arguments: ClassVar[tuple[str, ...]] = ("clips",)

    clips: Path | dict[str, Path]
    """A list, a CSV file or class folders; or one for each of train, val and test."""
    kind: Literal["clips"] = "clips"
    """timestamps: labels in time; clips: labelled clips."""
    source: str | None = None
    """Recordings that were prepared from the listed ones; null: the listed recordings."""
    split: Path | None = None
    """Which clips are train, val and test, if `clips` does not say it."""
    classes: tuple[str, ...] | None = None
    """Class names in order; null: those of all labels."""
    allow_shared_recordings: bool = False
    """Accept clips of one recording in several parts if they do not overlap."""
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several in this set; null: data.stream."""
    sampling: ClipSampling = field(default_factory=ClipSampling)
    """Frames of a clip."""

    def training_problem(self) -> str:
        """None: clips without a split are all for training."""
        return ""

    def load(self, opener: RecordingOpener, classes: Sequence[str] | None) -> LabelledSet:
        """Reads the list of clips, and finds the recording of each."""
        parts, opener = read_parts(self.clips), opener.with_stream(self.stream)
        if self.source is None:
            recordings = opener.open_paths(paths_of(e for part in parts.values() for e in part))
        else:
            recordings = opener.open_source(Path(self.source))
        split = find_split(self.split) if self.split else None
        return label_clips(recordings, parts, classes, self.allow_shared_recordings, split)

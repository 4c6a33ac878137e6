"""The kinds of labelled sets: `{kind: timestamps, ...}` or `{kind: clips, ...}`."""

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from finetune.data.clips import ClipsConfig
from finetune.data.interval import Sampling
from finetune.data.labelled_set import LabelledSet
from finetune.data.recording_opener import RecordingOpener
from finetune.data.timestamps import TimestampsConfig


@runtime_checkable
class DatasetConfig(Protocol):
    """The interface of a row of DATASET_KINDS, a configuration class.

    `kind` is its name in the table.
    """

    ordered_in_time: ClassVar[bool]
    """Whether samples are timestamps in the order of a recording: phase metrics apply."""
    multiple_test_clips: ClassVar[bool]
    """Whether a sample may be tested on several clips in time."""
    cli_arguments: ClassVar[tuple[str, ...]]
    """Keys that `python -m finetune labels --kind ...` takes by position; the others are options
    with the name of the key."""

    @property
    def kind(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names in order; None: those of all labels."""

    @property
    def multi_label(self) -> bool:
        """Whether a sample may have several classes."""

    @property
    def sampling(self) -> Sampling:
        """Which frames of a sample are read."""

    def training_problem(self) -> str:
        """Why a model cannot be trained on the set, starting with the key; "" where it can."""

    def load(self, opener: RecordingOpener, classes: Sequence[str] | None) -> LabelledSet:
        """Opens the recordings and joins the labels.

        `classes` replaces the set's own: the names that a label space has for it. Raises
        LabelError, SplitError and ManifestError with the file and line.
        """


DATASET_KINDS: dict[str, type] = {"timestamps": TimestampsConfig, "clips": ClipsConfig}

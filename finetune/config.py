"""The configuration of a finetuning run, composed of the parts that it configures."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.augment.config import ClipAugmentation, MixupConfig
from finetune.data.clip_sampling import ClipSampling
from finetune.data.windows import WindowSampling
from finetune.model.config import (
    SEGMENTED,
    BackboneConfig,
    HeadConfig,
    HeadInitConfig,
    LossConfig,
)
from finetune.tuning import HEAD_OF, Full, Tuning
from launch.config import (
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
    LogConfig,
    OptimizerConfig,
    ScheduleConfig,
    read_timeout_problem,
)

STRICT = ConfigDict(extra="forbid")
Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class TimestampsConfig:
    """Labels in time of recordings of any length."""

    source: str  # recordings: a folder, a manifest, a CSV file or a list
    labels: Path  # one file for all, a pattern with {name}, or a folder with one for each
    split: Path  # which recordings are train, val and test
    kind: Literal["moments"] = "moments"
    classes: tuple[str, ...] | None = None  # in their order; None: those of all labels
    multi_label: Literal["one", "many"] = "one"  # classes a moment may have
    category: Literal["phase", "instrument", "verb", "target", "triplet"] = "phase"  # of CholecT50
    rate: PositiveFloat = 1.0  # moments a second
    label_fps: PositiveFloat = 25.0  # that labels count which count frames
    sampling: WindowSampling = field(default_factory=WindowSampling)


@dataclass(frozen=True, config=STRICT)
class ClipsConfig:
    """Clips, or parts of recordings, with a label each."""

    clips: Path | dict[str, Path]  # a list, a CSV file or class folders; or one for each part
    kind: Literal["clips"] = "clips"
    source: str | None = None  # where recordings are that were prepared from those listed
    split: Path | None = None  # where `clips` does not say it
    classes: tuple[str, ...] | None = None
    allow_shared_recordings: bool = False  # parts of one recording in train and test; is told
    sampling: ClipSampling = field(default_factory=ClipSampling)


DatasetConfig = Annotated[TimestampsConfig | ClipsConfig, Field(discriminator="kind")]


@dataclass(frozen=True, config=STRICT)
class FinetuneDataConfig:
    """Labelled recordings, and how they become clips."""

    dataset: DatasetConfig | None = None
    datasets: dict[str, DatasetConfig] = field(default_factory=dict)  # several by name, with `space`
    label_space: Path | None = None  # their merged classes, of `python -m finetune merge`
    shots_per_class: Positive | None = None  # labelled samples of each class that training keeps
    augmentation: ClipAugmentation = field(default_factory=ClipAugmentation)
    clips_per_read: Positive = 1  # differently augmented clips of one decoded stretch
    eval_crop: Literal["centre", "squeeze"] = "centre"  # of the picture in a test
    workers: Annotated[int, Field(ge=0)] = 4  # reading processes of each rank
    reader: Literal["pyav", "decord"] = "pyav"
    folder_fps: PositiveFloat = 1.0  # of folders of pictures, which do not say it
    read_timeout: PositiveFloat = 120.0  # seconds, then a read counts as failed
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = 0.01  # share of reads, then the run ends

    @model_validator(mode="after")
    def _somewhere(self) -> "FinetuneDataConfig":
        if (self.dataset is None) == (not self.datasets):
            raise ValueError("give either set, or sets, several by their names")
        if bool(self.datasets) != (self.label_space is not None):
            raise ValueError("sets and space belong together: whose classes are one and the same?")
        if self.shots_per_class is not None and self.datasets:
            raise ValueError("few: samples are chosen of one set; give set")
        return self

    @property
    def named(self) -> dict[str, DatasetConfig]:
        """All sets by name; that of a single one is empty."""
        return self.datasets if self.dataset is None else {"": self.dataset}


@dataclass(frozen=True, config=STRICT)
class TestViewsConfig:
    """What of a sample a test looks at: `segments` in time times `crops` along the longer side."""

    clips: Positive = 1
    crops: Literal[1, 3] = 1
    average: Literal["probabilities", "scores"] = "probabilities"


@dataclass(frozen=True, config=STRICT)
class ValidationConfig:
    """How often the part `val` is looked at, and by what the best step is known."""

    every_epochs: PositiveFloat = 1.0
    metric: Literal[
        "top-1",
        "mean class accuracy",
        "F1 macro",
        "F1 micro",
        "mAP",
        "phase accuracy",
        "phase jaccard",
    ] = "top-1"


@dataclass(frozen=True, config=STRICT)
class FinetuneConfig:
    """A finetuning run."""

    run: str  # the run folder
    data: FinetuneDataConfig
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    head_init: HeadInitConfig = field(default_factory=HeadInitConfig)
    tuning: Tuning = field(default_factory=Full)
    loss: LossConfig = field(default_factory=LossConfig)
    mixup: MixupConfig = field(default_factory=MixupConfig)
    test_views: TestViewsConfig = field(default_factory=TestViewsConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(5e-4, 1e-6, betas=(0.9, 0.999))
    )
    engine: EngineConfig = field(default_factory=EngineConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    log: LogConfig = field(default_factory=LogConfig)

    @property
    def multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return any(getattr(each, "targets", "one") == "many" for each in self.data.named.values())

    @model_validator(mode="after")
    def _fits(self) -> "FinetuneConfig":
        problems = (self._of_task(), self._of_metric(), self._of_batch(), self._of_head())
        for problem in problems:
            if problem:
                raise ValueError(problem)
        return self

    def _of_task(self) -> str:
        sets = self.data.named.values()
        if self.multi_label and len(sets) > 1:
            return "data.sets: sets whose samples have many labels cannot be merged; take data.set"
        if self.multi_label != (self.loss.kind == "binary"):
            return (
                f"loss.kind: {self.loss.kind} with data.set.targets "
                f"{'many' if self.multi_label else 'one'}; one class a sample wants cross_entropy, many "
                "want binary"
            )
        if self.test_views.crops > 1 and self.data.eval_crop == "squeeze":
            return "views.crops: a picture that is squeezed has one; set it to 1, or fitting centre"
        if self.test_views.clips > 1 and any(each.kind == "moments" for each in sets):
            return "views.segments: a moment has one window in time; set it to 1"
        return ""

    def _of_metric(self) -> str:
        metric = self.validation.metric
        clips = any(each.kind == "clips" for each in self.data.named.values())
        if self.multi_label and metric not in ("mAP", "F1 macro", "F1 micro"):
            return f"validation.metric: {metric} of many labels; take mAP, F1 macro or F1 micro"
        if clips and metric.startswith("phase"):
            return f"validation.metric: {metric} of clips, which have no order in time; take top-1"
        return ""

    def _of_batch(self) -> str:
        copies, at_once = self.data.clips_per_read, self.batch.micro_batch_size
        if at_once % copies:
            return f"batch.micro_batch {at_once} is not a multiple of data.clips_per_read {copies}"
        if self.mixup.on and (at_once // copies) % 2:
            return (
                f"mixing: takes pairs of samples, and batch.micro_batch {at_once} has "
                f"{at_once // copies}; make it even, or switch off with mixing.prob=0"
            )
        return read_timeout_problem(self.data.read_timeout, self.engine)

    @property
    def segments(self) -> int:
        """Of every clip; those of all sets are as many."""
        return max(self._segments, default=1)

    @property
    def _segments(self) -> set[int]:
        samplings = [each.sampling for each in self.data.named.values()]
        return {each.segments for each in samplings if isinstance(each, ClipSampling)}

    def _of_head(self) -> str:
        wanted = HEAD_OF.get(self.tuning.kind)
        if wanted and self.head.kind != wanted:
            return f"head.kind: {self.head.kind} in mode {self.tuning.kind}, which is {wanted}"
        segments = self._segments
        if len(segments | {1}) > 1 and self.head.kind not in SEGMENTED:
            return f"head.kind: {self.head.kind} takes no segments; take tsn, or segments 1"
        if len(segments) > 1:
            return "data.sets: segments differ; clips of one batch have the same"
        if self.backbone.weights is None and self.head_init.from_file:
            return "head_start: backbone.weights is not given, whose head it would take"
        if self.tuning.kind == "neighbours" and self.multi_label:
            return "mode: neighbours vote for one class; take targets one"
        return ""

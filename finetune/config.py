"""The configuration of a finetuning run, composed of the parts that it configures."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.augment.config import MixupConfig
from finetune.data.config import FinetuneDataConfig
from finetune.model.config import (
    SEGMENTED,
    BackboneConfig,
    HeadConfig,
    HeadInitConfig,
    LossConfig,
)
from finetune.tuning import HEAD_OF, Full, Tuning
from launch.config import (
    MAY_CHANGE,
    STRICT,
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
    FormerValues,
    LogConfig,
    Positive,
    former,
    read_timeout_problem,
)
from launch.kinds import one_of
from launch.training.lr_schedule import LR_SCHEDULES, CosineSchedule
from launch.training.optimizer import OPTIMIZERS, AdamWConfig

PositiveFloat = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class TestViewsConfig:
    """Views of a sample at test time: `clips` in time times `crops` along the longer side."""

    __test__ = False  # no test class of pytest

    clips: Annotated[Positive, former("segments")] = 1
    """Clips in time."""
    crops: Literal[1, 3] = 1
    """Crops along the longer side of the frame."""
    average: Annotated[Literal["probabilities", "logits"], FormerValues({"scores": "logits"})] = (
        "probabilities"
    )
    """What is averaged over the views."""


@dataclass(frozen=True, config=STRICT)
class ValidationConfig:
    """How often `val` is evaluated, and which metric selects the best step."""

    every_epochs: Annotated[PositiveFloat, MAY_CHANGE] = 1.0
    """Epochs between two validations."""
    metric: Literal[
        "top-1",
        "mean class accuracy",
        "F1 macro",
        "F1 micro",
        "mAP",
        "phase accuracy",
        "phase jaccard",
    ] = "top-1"
    """Metric that selects the best step."""


@dataclass(frozen=True, config=STRICT)
class FinetuneConfig:
    """A finetuning run."""

    run: Annotated[str, MAY_CHANGE]
    """The run folder."""
    data: FinetuneDataConfig
    """Labelled recordings and clips."""
    plugins: Annotated[tuple[str, ...], MAY_CHANGE] = ()
    """Modules of yours that add masks, targets, heads, losses, readers and so on."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of new weights, order and augmentation."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """The encoder and where its weights come from."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """Pooling and classifier."""
    head_init: Annotated[HeadInitConfig, former("head_start")] = field(
        default_factory=HeadInitConfig
    )
    """Initial weights of the classifier."""
    tuning: Annotated[Tuning, former("mode")] = field(default_factory=Full)
    """Which part of the network is trained."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The loss."""
    mixup: Annotated[MixupConfig, former("mixing")] = field(default_factory=MixupConfig)
    """Mixup and CutMix."""
    test_views: Annotated[TestViewsConfig, former("views"), MAY_CHANGE] = field(
        default_factory=TestViewsConfig
    )
    """Clips and crops of a sample at test time."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """Selection of the best step."""
    batch: BatchConfig = field(default_factory=BatchConfig)
    """Clips per step."""
    schedule: Annotated[Any, one_of(LR_SCHEDULES, "cosine")] = field(default_factory=CosineSchedule)
    """Length of the run and course of the learning rate."""
    optimizer: Annotated[Any, one_of(OPTIMIZERS, "adamw")] = field(
        default_factory=lambda: AdamWConfig(base_lr=5e-4, min_lr=1e-6, betas=(0.9, 0.999))
    )
    """The optimizer."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """DeepSpeed, precision and memory."""
    checkpoint: Annotated[CheckpointConfig, MAY_CHANGE] = field(default_factory=CheckpointConfig)
    """Saving and resuming."""
    log: Annotated[LogConfig, MAY_CHANGE] = field(default_factory=LogConfig)
    """Logging."""

    @property
    def multi_label(self) -> bool:
        """Whether a sample may have several classes."""
        return any(each.multi_label for each in self.data.named.values())

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
            return "data.datasets: multi-label sets cannot be merged; take data.dataset"
        if self.multi_label != (self.loss.kind == "bce"):
            fitting = "bce" if self.multi_label else "cross_entropy"
            return (
                f"loss.kind: {self.loss.kind} does not fit multi_label "
                f"{str(self.multi_label).lower()}; take {fitting}"
            )
        if self.test_views.crops > 1 and self.data.eval_crop == "resize":
            return (
                "test_views.crops: eval_crop resize has one crop; take crops 1, or eval_crop center"
            )
        single = [each.kind for each in sets if not each.multiple_test_clips]
        if self.test_views.clips > 1 and single:
            return f"test_views.clips: {single[0]} have one window in time; set it to 1"
        return ""

    def _of_metric(self) -> str:
        metric = self.validation.metric
        clips = not all(each.ordered_in_time for each in self.data.named.values())
        if self.multi_label and metric not in ("mAP", "F1 macro", "F1 micro"):
            return (
                f"validation.metric: {metric} is not for multi_label; "
                "take mAP, F1 macro or F1 micro"
            )
        if clips and metric.startswith("phase"):
            return f"validation.metric: {metric} needs labels in time, these are clips; take top-1"
        return ""

    def _of_batch(self) -> str:
        copies, at_once = self.data.clips_per_read, self.batch.micro_batch_size
        if at_once % copies:
            return (
                f"batch.micro_batch_size {at_once} is not a multiple of "
                f"data.clips_per_read {copies}"
            )
        if self.mixup.on and (at_once // copies) % 2:
            return (
                f"mixup: mixes pairs of samples, and batch.micro_batch_size {at_once} has "
                f"{at_once // copies}; make it even, or disable it with mixup.prob=0"
            )
        return read_timeout_problem(self.data.read_timeout, self.engine)

    @property
    def segments(self) -> int:
        """Of every clip; those of all sets are as many."""
        return max(self._segments, default=1)

    @property
    def _segments(self) -> set[int]:
        return {each.sampling.segments for each in self.data.named.values()}

    def _of_head(self) -> str:
        wanted = HEAD_OF.get(self.tuning.kind)
        if wanted and self.head.kind != wanted:
            return (
                f"head.kind: {self.head.kind} is not for tuning {self.tuning.kind}; take {wanted}"
            )
        segments = self._segments
        if len(segments | {1}) > 1 and self.head.kind not in SEGMENTED:
            return f"head.kind: {self.head.kind} takes no segments; take tsn, or segments 1"
        if len(segments) > 1:
            return "data.datasets: sampling.segments differ between the sets; make them equal"
        if self.backbone.weights is None and self.head_init.from_file:
            return "head_init: needs the head of backbone.weights, which is not given"
        if self.tuning.kind == "knn" and self.multi_label:
            return "tuning: knn predicts one class; set multi_label to false"
        return ""

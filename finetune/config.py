"""The configuration of a finetuning run, composed of the parts that it configures."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.augment.config import MixupConfig
from finetune.data.config import FinetuneDataConfig
from finetune.evaluation.metrics import (
    METRICS,
    require_selecting_metric,
    selecting_metrics,
)
from finetune.model.config import BackboneConfig, HeadInitConfig
from finetune.model.heads import HEADS, Head, LinearHead, probe_heads
from finetune.model.losses import LOSSES, CrossEntropy
from finetune.task import Task
from finetune.tuning import TUNINGS, Full
from launch.config import (
    MAY_CHANGE,
    STRICT,
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
    FormerValues,
    Positive,
    former,
    read_timeout_problem,
)
from launch.kinds import one_of
from launch.metrics.loggers import LogConfig
from launch.training.lr_schedule import LR_SCHEDULES, CosineSchedule
from launch.training.optimizer import OPTIMIZERS, AdamWConfig

PositiveFloat = Annotated[float, Field(gt=0)]
DEFAULT_OPTIMIZER = AdamWConfig(base_lr=5e-4, min_lr=1e-6, betas=(0.9, 0.999))


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
    metric: Annotated[str, AfterValidator(require_selecting_metric)] = "top-1"
    """Metric that selects the best step: top-1, top-5, mean class accuracy, balanced accuracy, F1
    macro, F1 micro, mAP, phase accuracy, phase jaccard, or one of a plugin."""


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
    head: Head = LinearHead()
    """Pooling and classifier."""
    head_init: Annotated[HeadInitConfig, former("head_start")] = field(
        default_factory=HeadInitConfig
    )
    """Initial weights of the classifier."""
    tuning: Annotated[Any, one_of(TUNINGS, Full()), former("mode")] = Full()
    """Which part of the network is trained."""
    loss: Annotated[Any, one_of(LOSSES, CrossEntropy())] = CrossEntropy()
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
    schedule: Annotated[Any, one_of(LR_SCHEDULES, CosineSchedule())] = CosineSchedule()
    """Length of the run and course of the learning rate."""
    optimizer: Annotated[Any, one_of(OPTIMIZERS, DEFAULT_OPTIMIZER)] = DEFAULT_OPTIMIZER
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

    @property
    def task(self) -> Task:
        """What tables of losses and metrics call it."""
        return "multi_label" if self.multi_label else "single_label"

    @model_validator(mode="after")
    def _fits(self) -> "FinetuneConfig":
        problems = (
            self._of_task(),
            self._of_loss(),
            self._of_metric(),
            self._of_batch(),
            self._of_head(),
        )
        for problem in problems:
            if problem:
                raise ValueError(problem)
        return self

    def _of_task(self) -> str:
        sets = self.data.named.values()
        if self.multi_label and len(sets) > 1:
            return "data.datasets: multi-label sets cannot be merged; take data.dataset"
        if self.test_views.crops > 1 and self.data.eval_crop == "resize":
            return (
                "test_views.crops: eval_crop resize has one crop; take crops 1, or eval_crop center"
            )
        single = [each.kind for each in sets if not each.multiple_test_clips]
        if self.test_views.clips > 1 and single:
            return f"test_views.clips: {single[0]} have one window in time; set it to 1"
        return ""

    def _of_loss(self) -> str:
        kind, spec = self.loss.kind, self.loss.spec
        if self.task not in spec.tasks:
            fitting = [name for name, row in LOSSES.items() if self.task in row.spec.tasks]
            multi_label = str(self.multi_label).lower()
            return (
                f"loss.kind: {kind} does not fit multi_label {multi_label}; "
                f"take {' or '.join(fitting)}"
            )
        if self.mixup.on and not spec.soft_targets:
            return f"mixup: loss.kind {kind} takes no mixed labels; disable it with mixup.prob=0"
        if missing := set(spec.outputs) - set(self.head.spec.outputs):
            outputs = ", ".join(sorted(missing))
            fitting = [
                name for name, row in HEADS.items() if set(spec.outputs) <= set(row.spec.outputs)
            ]
            return (
                f"loss.kind: {kind} needs {outputs}, which head.kind {self.head.kind} does not "
                f"return; take head.kind {' or '.join(fitting) or 'of your own'}"
            )
        return ""

    def _of_metric(self) -> str:
        metric = self.validation.metric
        is_ordered = all(each.ordered_in_time for each in self.data.named.values())
        if self.task not in METRICS[metric].tasks:
            fitting = " or ".join(selecting_metrics(self.task))
            return f"validation.metric: {metric} is not for {self.task} labels; take {fitting}"
        if METRICS[metric].needs_time and not is_ordered:
            return f"validation.metric: {metric} needs labels in time, these are clips; take top-1"
        return ""

    def _of_batch(self) -> str:
        copies, size = self.data.clips_per_read, self.batch.micro_batch_size
        if size == "auto":
            return read_timeout_problem(self.data.read_timeout, self.engine)
        if size % copies:
            return (
                f"batch.micro_batch_size {size} is not a multiple of data.clips_per_read {copies}"
            )
        if self.mixup.on and (size // copies) % 2:
            return (
                f"mixup: mixes pairs of samples, and batch.micro_batch_size {size} has "
                f"{size // copies}; make it even, or disable it with mixup.prob=0"
            )
        return read_timeout_problem(self.data.read_timeout, self.engine)

    @property
    def segments(self) -> int:
        """Segments of every clip, the same in all data sets."""
        return max(self._segments, default=1)

    @property
    def _segments(self) -> set[int]:
        return {each.sampling.segments for each in self.data.named.values()}

    def _of_head(self) -> str:
        head, tuning, segments = self.head, self.tuning, self._segments
        if tuning.spec.is_probe and tuning.kind not in head.spec.probes:
            fitting = " or ".join(probe_heads(tuning.kind))
            return f"head.kind: {head.kind} is not for tuning {tuning.kind}; take {fitting}"
        if len(segments | {1}) > 1 and not head.spec.takes_segments:
            fitting = ", ".join(name for name, row in HEADS.items() if row.spec.takes_segments)
            return f"head.kind: {head.kind} takes no segments; take {fitting}, or segments 1"
        if len(segments) > 1:
            return "data.datasets: sampling.segments differ between the sets; make them equal"
        if self.backbone.weights is None and self.head_init.from_file:
            return "head_init: needs the head of backbone.weights, which is not given"
        if self.task not in tuning.spec.tasks:
            return f"tuning: {tuning.kind} is not for {self.task} labels; take full"
        return ""

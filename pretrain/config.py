"""The configuration of a pretraining run."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig, fill_from_size, require_whole_heads
from encoder.mlp_width import with_stored_width
from launch.config import (
    MAY_CHANGE,
    STRICT,
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
    former,
    read_timeout_problem,
)
from launch.kinds import one_of
from launch.metrics.loggers import DEFAULT_LOGGERS, EverySteps, Loggers
from launch.training.lr_schedule import LR_SCHEDULES, CosineSchedule
from launch.training.optimizer import OPTIMIZERS, AdamWConfig
from masking import DualMasking
from pretrain.data_config import PretrainDataConfig
from pretrain.loss_functions import DEFAULT_LOSS, LOSSES, LossFunction
from pretrain.targets.registry import (
    DEFAULT_TARGET,
    FORMER_LOG_KEY,
    TARGETS,
    without_former_keys,
)
from pretrain.targets.spec import PretrainingTarget, values_per_token

# VideoMAE V2's decoder widths by the size of the encoder; giant's MLP ratio is its encoder's.
DECODER_SIZES: dict[str, dict[str, int | float]] = {
    "small": {"embed_dim": 192, "num_heads": 3, "mlp_ratio": 4},
    "base": {"embed_dim": 384, "num_heads": 6, "mlp_ratio": 4},
    "large": {"embed_dim": 512, "num_heads": 8, "mlp_ratio": 4},
    "huge": {"embed_dim": 512, "num_heads": 8, "mlp_ratio": 4},
    "giant": {"embed_dim": 512, "num_heads": 8, "mlp_ratio": 48 / 11},
}


@dataclass(frozen=True, config=STRICT)
class DecoderConfig:
    """The decoder of the masked autoencoder."""

    size: Literal["small", "base", "large", "huge", "giant", "custom"] = "custom"
    """Size of the encoder; fills embed_dim, num_heads and mlp_ratio where they are not given."""
    embed_dim: Annotated[int, Field(gt=0)] = 384
    """Width of the tokens."""
    depth: Annotated[int, Field(gt=0, le=1000)] = 4
    """Transformer blocks."""
    num_heads: Annotated[int, Field(gt=0)] = 6
    """Attention heads."""
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0
    """Width of the MLP's hidden layer as a multiple of embed_dim."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Stochastic depth of the last block; it rises linearly from 0 in the first."""
    pos_embed: Annotated[Literal["sinusoid", "separable"], former("positions")] = "sinusoid"
    """Position embedding; separable is mae_st's, learned for space and time."""
    class_token: bool = False
    """Decode a class token too, as mae_st does."""
    embed_bias: bool = False
    """Bias of the projection from the encoder's width."""
    predicted_frames: Annotated[int, Field(gt=0)] | None = None
    """Frames of each tubelet that are predicted, evenly spaced in the clip (mae_st's pred_t_dim);
    null: all."""

    @model_validator(mode="before")
    @classmethod
    def _size(cls, values: Any) -> Any:
        return fill_from_size(values, DECODER_SIZES, {"embed_dim", "num_heads", "mlp_ratio"})

    @model_validator(mode="after")
    def _fits(self) -> "DecoderConfig":
        require_whole_heads(self.embed_dim, self.num_heads)
        return self


@dataclass(frozen=True, config=STRICT)
class PretrainLogConfig:
    """How often metrics, reconstructions and features are logged."""

    every_steps: EverySteps = 10
    loggers: Loggers = DEFAULT_LOGGERS
    images_every_steps: Annotated[int, Field(gt=0), former("pictures_every_steps")] = 500
    """Steps between two reconstructions of the same clips."""
    features_every_steps: Annotated[int, Field(gt=0)] = 500
    """Steps between two evaluations of the features of the same clips."""
    feature_clips: Annotated[int, Field(ge=2)] = 64
    """Clips whose features are evaluated."""
    fov_darkness: Annotated[float, Field(ge=0, le=1)] = 0.06
    """Patches darker than this count as outside the field of view; it only splits the logged
    loss."""


@dataclass(frozen=True, config=STRICT)
class KnnProbeConfig:
    """A small labelled set for k-NN accuracy during pretraining; nothing is trained on it.

    Each labelled timestamp is classified by its nearest neighbours in other recordings.
    """

    source: str
    """Recordings, in any form that data.source takes."""
    labels: Path
    """One label file, a pattern with {name}, or a folder, as in finetuning."""
    category: str = "phase"
    """Category of CholecT50's labels."""
    label_fps: Annotated[float, Field(gt=0)] = 25.0
    """Frames per second that the labels count in."""
    folder_fps: Annotated[float, Field(gt=0)] = 1.0
    """Frame rate of folders of images."""
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several; null: the largest long one."""
    k: Annotated[int, Field(gt=0)] = 10
    """Neighbours."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Temperature of the weights of the neighbours' votes."""


@dataclass(frozen=True, config=STRICT)
class PretrainConfig:
    """A pretraining run."""

    run: Annotated[str, MAY_CHANGE]
    """The run folder."""
    data: PretrainDataConfig
    """Recordings and clips."""
    plugins: Annotated[tuple[str, ...], MAY_CHANGE] = ()
    """Modules of yours that add masks, targets, heads, losses, readers and so on."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of weights, order, crops and masks."""
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(size="base"))
    """The encoder."""
    decoder: DecoderConfig = field(default_factory=lambda: DecoderConfig(size="base"))
    """The decoder."""
    masking: DualMasking = field(default_factory=DualMasking)
    """Masks of encoder and decoder."""
    target: Annotated[PretrainingTarget, one_of(TARGETS, DEFAULT_TARGET)] = DEFAULT_TARGET
    """What the decoder predicts."""
    loss: Annotated[LossFunction, one_of(LOSSES, DEFAULT_LOSS)] = DEFAULT_LOSS
    """Loss between predictions and target."""
    init_from: Path | None = None
    """Weights to start from: an autoencoder in any known format; null: random."""
    batch: BatchConfig = field(default_factory=BatchConfig)
    """Clips per step."""
    schedule: Annotated[Any, one_of(LR_SCHEDULES, CosineSchedule())] = CosineSchedule()
    """Length of the run and course of the learning rate."""
    optimizer: Annotated[Any, one_of(OPTIMIZERS, AdamWConfig())] = AdamWConfig()
    """The optimizer."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """DeepSpeed, precision and memory."""
    checkpoint: Annotated[CheckpointConfig, MAY_CHANGE] = field(default_factory=CheckpointConfig)
    """Saving and resuming."""
    log: Annotated[PretrainLogConfig, MAY_CHANGE] = field(default_factory=PretrainLogConfig)
    """Logging and monitoring."""
    knn_probe: Annotated[KnnProbeConfig | None, former("probe"), MAY_CHANGE] = None
    """A labelled set for k-NN accuracy during pretraining."""

    @model_validator(mode="before")
    @classmethod
    def _former_target(cls, values: Any) -> Any:
        """Moves `target.field_of_view_darkness` of earlier versions to `log.fov_darkness`."""
        target = values.get("target") if isinstance(values, dict) else None
        if not isinstance(target, dict):
            return values
        values = {**values, "target": without_former_keys(target)}
        if FORMER_LOG_KEY in target:
            log = values.get("log") or {}
            values["log"] = {"fov_darkness": target[FORMER_LOG_KEY], **log}
        return values

    def with_stored_widths(self, shapes: Mapping[str, Sequence[int]]) -> "PretrainConfig":
        """With the MLPs of stored weights, whose shapes these are; see `with_stored_width`."""
        encoder = with_stored_width(self.encoder, shapes, "encoder.")
        decoder = with_stored_width(self.decoder, shapes, "decoder.")
        return replace(self, encoder=encoder, decoder=decoder)

    @property
    def fov_cells(self) -> tuple[int, int]:
        """Rows and columns of cells that are tested for the field of view: the token grid's."""
        return self.encoder.grid[1:] if self.data.mask_inside_fov else (1, 1)

    @property
    def min_fov_share(self) -> float:
        """The share of a clip that must be inside the field of view; 0 where masks ignore it."""
        return self.masking.least_inside(self.encoder.grid) if self.data.mask_inside_fov else 0.0

    @model_validator(mode="after")
    def _fits(self) -> "PretrainConfig":
        size = self.batch.micro_batch_size
        if size != "auto" and size % self.data.clips_per_read:
            raise ValueError(
                f"batch.micro_batch_size {size} is not a multiple of "
                f"data.clips_per_read {self.data.clips_per_read}; change one of them"
            )
        if self.encoder.attention == "divided" or self.encoder.norm == "pooled":
            raise ValueError(
                "encoder: attention divided and norm pooled need all tokens of a clip, but only "
                "the visible ones are encoded here; use attention joint and norm tokens"
            )
        values_per_token(self.target, self.encoder, self.decoder.predicted_frames)
        if problem := read_timeout_problem(self.data.read_timeout, self.engine):
            raise ValueError(problem)
        try:
            self.masking.counts(self.encoder.grid)
            if self.data.mask_inside_fov:
                self.masking.least_inside(self.encoder.grid)
        except ValueError as error:  # a ratio that is impossible on this grid
            raise ValueError(f"masking: {error}") from None
        return self

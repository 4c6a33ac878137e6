"""The configuration of a pretraining run, composed of the parts that it configures."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig, fill_from_size, require_whole_heads
from launch.config import (
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
    OptimizerConfig,
    ScheduleConfig,
    read_timeout_problem,
)
from masking import DualMasking
from video.config import Augmentation, Sampling

STRICT = ConfigDict(extra="forbid")

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
    """The decoder; `size` is that of the encoder it belongs to and fills width and heads."""

    size: Literal["small", "base", "large", "huge", "giant", "custom"] = "custom"
    embed_dim: Annotated[int, Field(gt=0)] = 384
    depth: Annotated[int, Field(gt=0)] = 4
    num_heads: Annotated[int, Field(gt=0)] = 6
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    pos_embed: Literal["sinusoid", "separable"] = "sinusoid"  # separable: mae_st's, learned
    class_token: bool = False
    embed_bias: bool = False
    # of each tubelet, all where None; fewer are evenly chosen from the clip (mae_st's pred_t_dim)
    predicted_frames: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _size(cls, values: Any) -> Any:
        return fill_from_size(values, DECODER_SIZES, {"embed_dim", "num_heads", "mlp_ratio"})

    @model_validator(mode="after")
    def _fits(self) -> "DecoderConfig":
        require_whole_heads(self.embed_dim, self.num_heads)
        return self

    def values(self, encoder: EncoderConfig) -> int:
        """Pixel values that are predicted of one tubelet, all channels: the axis `p`."""
        return (self.predicted_frames or encoder.tubelet_size) * encoder.patch_size**2 * encoder.channels


TargetKind = Literal["normalised_pixels", "pixels", "standardised_pixels", "normalised_patches"]


@dataclass(frozen=True, config=STRICT)
class TargetConfig:
    """What the decoder predicts."""

    # standardised_pixels and normalised_patches are mae_st's, by the encoder's mean and deviation
    kind: TargetKind = "normalised_pixels"
    variance_floor: Annotated[float, Field(ge=0)] = 0.0  # of pixels in 0..1; 0 is upstream's target
    field_of_view_darkness: Annotated[float, Field(ge=0, le=1)] = (
        0.06  # only splits the logged loss
    )


@dataclass(frozen=True, config=STRICT)
class SourceConfig:
    """One of several sources of recordings."""

    path: str
    weight: Annotated[float, Field(gt=0)] = 1.0  # clips of a second of it, relative to the others
    sampling: Sampling | None = None  # data.sampling where it has none of its own
    folder_fps: Annotated[float, Field(gt=0)] | None = None  # as well


@dataclass(frozen=True, config=STRICT)
class PretrainDataConfig:
    """Where recordings come from and how they become clips."""

    # a folder, a manifest, a CSV file with a column `path`, or a list of `path label` lines
    source: str | None = None
    sources: dict[str, SourceConfig] = field(default_factory=dict)  # by name, instead of one
    exclude: Path | None = None  # a list of recordings, by path or name, that are never used
    sampling: Sampling = field(default_factory=Sampling)
    augmentation: Augmentation = field(default_factory=Augmentation)
    clips_per_read: Annotated[int, Field(gt=0)] = 1  # crops and masks of one decoded clip
    workers: Annotated[int, Field(ge=0)] = 4  # reading processes of each rank
    reader: Literal["pyav", "decord"] = "pyav"  # of video files that no manifest tells a reader of
    folder_fps: Annotated[float, Field(gt=0)] = 1.0  # of folders of pictures, which do not say it
    read_timeout: Annotated[float, Field(gt=0)] = 120.0  # seconds, then a read counts as failed
    mask_inside_fov: bool = False  # decode no token outside the field of view that `check` found
    max_unreadable: Annotated[float, Field(ge=0, le=1)] = 0.01  # share of reads, then the run ends

    @model_validator(mode="after")
    def _somewhere(self) -> "PretrainDataConfig":
        if (self.source is None) == (not self.sources):
            raise ValueError(
                "give either source, a folder of recordings, or sources, several by their names"
            )
        return self

    @property
    def named(self) -> dict[str, SourceConfig]:
        """All sources by name; that of a single one is empty."""
        return self.sources if self.source is None else {"": SourceConfig(self.source)}


@dataclass(frozen=True, config=STRICT)
class PretrainLogConfig:
    """How often the run speaks, and shows what it makes of the same clips."""

    every_steps: Annotated[int, Field(gt=0)] = 10
    images_every_steps: Annotated[int, Field(gt=0)] = 500
    features_every_steps: Annotated[int, Field(gt=0)] = 500
    feature_clips: Annotated[int, Field(ge=2)] = 64  # whose features are looked at


@dataclass(frozen=True, config=STRICT)
class KnnProbeConfig:
    """A small labelled set, on which the features are tried while the run trains.

    Each of its moments is told by the nearest ones of other recordings; nothing is trained by it.
    """

    source: str  # recordings, as data.source
    labels: Path  # one file, a pattern with {name}, or a folder, as of finetuning
    category: str = "phase"  # of CholecT50's labels
    label_fps: Annotated[float, Field(gt=0)] = 25.0  # frames a second that text labels count
    folder_fps: Annotated[float, Field(gt=0)] = 1.0  # of folders of pictures
    k: Annotated[int, Field(gt=0)] = 10  # neighbours
    temperature: Annotated[float, Field(gt=0)] = 0.07


@dataclass(frozen=True, config=STRICT)
class PretrainConfig:
    """A pretraining run."""

    run: str  # the run folder
    data: PretrainDataConfig
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(size="base"))
    decoder: DecoderConfig = field(default_factory=lambda: DecoderConfig(size="base"))
    masking: DualMasking = field(default_factory=DualMasking)
    target: TargetConfig = field(default_factory=TargetConfig)
    init_from: Path | None = None  # weights of an autoencoder, any known layout; else fresh
    batch: BatchConfig = field(default_factory=BatchConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    log: PretrainLogConfig = field(default_factory=PretrainLogConfig)
    knn_probe: KnnProbeConfig | None = None

    @property
    def cells(self) -> tuple[int, int]:
        """The parts of a clip of which is asked whether they are inside the field of view."""
        return self.encoder.grid[1:] if self.data.mask_inside_fov else (1, 1)

    @property
    def least_inside(self) -> float:
        """The share of a clip that must be inside the field of view; 0 where it is all one."""
        return self.masking.least_inside(self.encoder.grid) if self.data.mask_inside_fov else 0.0

    @model_validator(mode="after")
    def _fits(self) -> "PretrainConfig":
        if self.batch.micro_batch_size % self.data.clips_per_read:
            raise ValueError(
                f"batch.micro_batch {self.batch.micro_batch_size} is not a multiple of "
                f"data.clips_per_read {self.data.clips_per_read}; change one of them"
            )
        if self.encoder.attention == "divided" or self.encoder.norm == "pooled":
            raise ValueError(
                "encoder: attention divided and norm pooled see all tokens of a clip, and a masked "
                "autoencoder's encoder does not; leave them at joint and tokens"
            )
        if (self.decoder.predicted_frames or 0) > self.encoder.tubelet_size:
            raise ValueError(
                f"decoder.predicted_frames {self.decoder.predicted_frames} is more than "
                f"encoder.tubelet {self.encoder.tubelet_size}; drop it to predict all"
            )
        if problem := read_timeout_problem(self.data.read_timeout, self.engine):
            raise ValueError(problem)
        try:
            self.masking.counts(self.encoder.grid)
            if self.data.mask_inside_fov:
                self.masking.least_inside(self.encoder.grid)
        except ValueError as error:  # a ratio that this grid cannot have
            raise ValueError(f"masking: {error}") from None
        return self

"""Configuration of recordings, and of how clips are made of them."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from launch.config import MAY_CHANGE, STRICT, former
from video.config import Augmentation, Sampling
from video.readers.registry import PreferredReader


@dataclass(frozen=True, config=STRICT)
class SourceConfig:
    """One of several sources of recordings."""

    path: Annotated[str, MAY_CHANGE]
    """A folder, a manifest, a CSV file with a column `path`, or a list of `path label` lines."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Clips per second of recording, relative to the other sources."""
    sampling: Sampling | None = None
    """Sampling of this source; null: data.sampling."""
    folder_fps: Annotated[float, Field(gt=0)] | None = None
    """Frame rate of folders of images in this source; null: data.folder_fps."""
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several in this source; null: data.stream."""


@dataclass(frozen=True, config=STRICT)
class PretrainDataConfig:
    """Recordings, and how clips are made of them."""

    source: Annotated[str | None, MAY_CHANGE] = None
    """A folder, a manifest, a CSV file with a column `path`, or a list of `path label` lines."""
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    """Several sources by name, instead of source."""
    exclude: Path | None = None
    """A list of recordings, by path or name, that are never used, nor what looks like them."""
    allow_similar: bool = False
    """Train on recordings that look like one that exclude names; they are listed."""
    sampling: Sampling = field(default_factory=Sampling)
    """Frames of a clip."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Crops and flips."""
    clips_per_read: Annotated[int, Field(gt=0)] = 1
    """Clips, each with its own crop and masks, that are made of one decoded clip."""
    workers: Annotated[int, Field(ge=0), MAY_CHANGE] = 4
    """Data-loading processes of each rank."""
    reader: PreferredReader = "pyav"
    """Preferred reader of video files that no manifest assigns a reader to."""
    folder_fps: Annotated[float, Field(gt=0)] = 1.0
    """Frame rate of folders of images."""
    stream: Annotated[int, Field(ge=0)] | None = None
    """Video stream, as ffprobe counts, of files with several; null: the largest long one."""
    read_timeout: Annotated[float, Field(gt=0), MAY_CHANGE] = 120.0
    """Seconds after which a read counts as failed."""
    mask_inside_fov: Annotated[bool, former("inside_view")] = False
    """Decode only tokens inside the field of view that `video check` found."""
    max_unreadable: Annotated[float, Field(ge=0, le=1), MAY_CHANGE] = 0.01
    """Share of unreadable clips above which the run ends with an error."""

    @model_validator(mode="after")
    def _one_source(self) -> "PretrainDataConfig":
        if self.source is not None and self.sources:
            raise ValueError(
                f"source {self.source} and sources {', '.join(self.sources)} are both given; set "
                "source=null or sources={}"
            )
        if self.source is None and not self.sources:
            raise ValueError(
                "has no recordings; set source=FOLDER, or sources={NAME: {path: FOLDER}, ...}"
            )
        return self

    def key_of(self, name: str, setting: str) -> str:
        """The key that decides a setting of a source: its own where it has one, or that of all."""
        has_own = getattr(self.named[name], setting) is not None
        return f"data.sources.{name}.{setting}" if name and has_own else f"data.{setting}"

    @property
    def named(self) -> dict[str, SourceConfig]:
        """All sources by name; a single source has the empty name."""
        return self.sources if self.source is None else {"": SourceConfig(self.source)}

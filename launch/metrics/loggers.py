"""The loggers of a recipe: where a run's metrics go."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from launch.config import STRICT, Positive
from launch.errors import ConfigError
from launch.kinds import one_of


@runtime_checkable
class Logger(Protocol):
    """Takes the metrics of a run; rank 0 alone has one. No method waits for a network."""

    def log_scalars(self, step: int, values: dict[str, float]) -> None:
        """Finite numbers under names such as `loss/train`."""

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None: ...

    def close(self) -> None: ...


class WriteWarning:
    """Warns once when a log cannot be written, and again only after it could be."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn, self._is_shown = warn, False

    def show(self, path: Path, error: OSError) -> None:
        if not self._is_shown:
            self._warn(
                f"warning: {path} cannot be written ({error.strerror}); its lines wait in memory "
                "for space"
            )
        self._is_shown = True

    def reset(self) -> None:
        self._is_shown = False


class LoggerContext(NamedTuple):
    """What a logger may use of its run."""

    folder: Path
    start: int  # the step that the run starts or resumes after
    history: Callable[[], Sequence[dict[str, Any]]]  # all lines of log.jsonl, `step` in each
    warn: Callable[[str], None]  # prints a line
    write_warning: WriteWarning  # shared by the loggers that write to the run folder


@runtime_checkable
class LoggerConfig(Protocol):
    """A row of LOGGERS."""

    package: ClassVar[str | None]
    """The package that must be installed, where requirements.txt does not have it."""

    @property
    def kind(self) -> str: ...

    def open(self, context: LoggerContext) -> Logger: ...


@dataclass(frozen=True, config=STRICT)
class TensorBoardConfig:
    """Event files in the run folder's `tensorboard/`."""

    kind: Literal["tensorboard"] = "tensorboard"
    """The logger."""

    package: ClassVar[str | None] = None

    def open(self, context: LoggerContext) -> Logger:
        from launch.metrics.tensorboard_log import TensorBoardLog

        return TensorBoardLog(context)


@dataclass(frozen=True, config=STRICT)
class WandbConfig:
    """Weights & Biases; its package is optional: `pip install wandb`."""

    kind: Literal["wandb"] = "wandb"
    """The logger."""
    project: str = "surgmask"
    """The project that the run belongs to."""
    entity: str | None = None
    """The user or team; null: the default of the account."""
    mode: Literal["online", "offline"] = "online"
    """offline: write to the run folder's `wandb/`, for `wandb sync`."""
    timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that the end of a run waits for the service."""

    package: ClassVar[str | None] = "wandb"

    def open(self, context: LoggerContext) -> Logger:
        from launch.metrics.background_logger import BackgroundLogger

        return BackgroundLogger("launch.metrics.wandb_log:WandbLog", self, context, self.timeout)


LOGGERS: dict[str, type] = {"tensorboard": TensorBoardConfig, "wandb": WandbConfig}


@runtime_checkable
class LogSettings(Protocol):
    """The part of a stage's `log` section that all stages have."""

    @property
    def every_steps(self) -> int: ...
    @property
    def loggers(self) -> tuple[Any, ...]: ...


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _each_once(loggers: tuple[Any, ...]) -> tuple[Any, ...]:
    kinds = [logger.kind for logger in loggers]
    if doubled := [kind for kind in kinds if kinds.count(kind) > 1]:
        raise ValueError(f"{doubled[0]} is given twice in {', '.join(kinds)}; list it once")
    return loggers


OneLogger = Annotated[Any, one_of(LOGGERS), BeforeValidator(_named)]
Loggers = Annotated[
    tuple[OneLogger, ...],
    AfterValidator(_each_once),
    Field(
        description="Loggers besides log.jsonl: names such as tensorboard, or mappings such as "
        "{kind: wandb, project: NAME}."
    ),
]
EverySteps = Annotated[Positive, Field(description="Steps between two lines of log.jsonl.")]
DEFAULT_LOGGERS = (TensorBoardConfig(),)


@dataclass(frozen=True, config=STRICT)
class LogConfig:
    """Where and how often metrics are logged."""

    every_steps: EverySteps = 10
    loggers: Loggers = DEFAULT_LOGGERS


def require_packages(loggers: Sequence[LoggerConfig]) -> None:
    """Raises ConfigError, on every process, where the package of a logger is missing."""
    for logger in loggers:
        if logger.package is not None and importlib.util.find_spec(logger.package) is None:
            raise ConfigError(
                f"log.loggers: the package {logger.package} is not installed; "
                f"pip install {logger.package}, or remove {logger.kind} from log.loggers"
            )

"""The optimizers of a recipe, and what the rest of the code reads of each."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import Field
from pydantic.dataclasses import dataclass

from launch.config import STRICT, EngineConfig, Share

if TYPE_CHECKING:
    import torch

ParameterGroups = list[dict[str, Any]]

BaseLr = Annotated[float, Field(gt=0, description="Peak learning rate for 256 clips per step.")]
MinLr = Annotated[float, Field(ge=0, description="Final learning rate for 256 clips per step.")]
WeightDecay = Annotated[
    float,
    Field(
        ge=0,
        description="Decoupled weight decay; biases, norms, tokens and position embeddings have "
        "none.",
    ),
]
WeightDecayEnd = Annotated[
    Annotated[float, Field(ge=0)] | None,
    Field(description="Final weight decay of a cosine schedule; null: constant."),
]


@runtime_checkable
class OptimizerConfig(Protocol):
    """A row of OPTIMIZERS: the settings of an optimizer, and what must be known of it.

    Learning rates are for 256 clips per step and scale with batch.global_batch_size.
    """

    states: ClassVar[tuple[str, ...]]
    """Its states of a parameter: float32, of the parameter's shape, zero before the first step."""
    counts_steps: ClassVar[bool]
    """Whether `state["step"]` counts the updates of a parameter."""
    clips_on_device: ClassVar[bool]
    """Whether its step divides gradients by `grad_scale` and does nothing where `found_inf` is 1.

    Both are tensors that the engine sets as attributes, as PyTorch's fused optimizers take them.
    """

    @property
    def kind(self) -> str: ...
    @property
    def base_lr(self) -> float: ...
    @property
    def min_lr(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def weight_decay_end(self) -> float | None: ...

    def build(self, groups: ParameterGroups, offload: bool) -> "torch.optim.Optimizer":
        """The optimizer; with `offload` its parameters and states are in main memory.

        Raises ConfigError where it cannot be offloaded.
        """

    def new_step_counter(self, optimizer: Any, parameter: "torch.Tensor") -> Any:
        """The value of `state["step"]` before the first update; None without `counts_steps`."""


@dataclass(frozen=True, config=STRICT)
class AdamWConfig:
    """AdamW (Loshchilov and Hutter, 2019): adaptive moments with decoupled weight decay."""

    kind: Literal["adamw"] = "adamw"
    """The optimizer."""
    base_lr: BaseLr = 1.5e-4
    min_lr: MinLr = 1e-5
    betas: tuple[Share, Share] = (0.9, 0.95)
    """Decay rates of the first and second moment."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the denominator of the update."""
    weight_decay: WeightDecay = 0.05
    weight_decay_end: WeightDecayEnd = None

    states: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    counts_steps: ClassVar[bool] = True
    clips_on_device: ClassVar[bool] = True

    def build(self, groups: ParameterGroups, offload: bool) -> "torch.optim.Optimizer":
        if offload:
            from deepspeed.ops.adam import DeepSpeedCPUAdam

            offloaded: Any = DeepSpeedCPUAdam
            return offloaded(groups, lr=0.0, betas=self.betas, eps=self.eps, adamw_mode=True)
        from torch.optim import AdamW

        return AdamW(groups, lr=0.0, betas=self.betas, eps=self.eps, fused=True)

    def new_step_counter(self, optimizer: Any, parameter: "torch.Tensor") -> Any:
        import torch

        in_tensor = isinstance(optimizer, torch.optim.AdamW)
        return torch.zeros((), device=parameter.device) if in_tensor else 0


@dataclass(frozen=True, config=STRICT)
class LionConfig:
    """Lion (Chen et al., 2023): the sign of an interpolated momentum; a third less memory.

    The authors take a learning rate 3 to 10 times lower than AdamW's, and a weight decay higher by
    the same factor.
    """

    kind: Literal["lion"] = "lion"
    """The optimizer."""
    base_lr: BaseLr = 3e-5
    min_lr: MinLr = 2e-6
    betas: tuple[Share, Share] = (0.9, 0.99)
    """Weight of the momentum in the update, and decay rate of the momentum."""
    weight_decay: WeightDecay = 0.25
    weight_decay_end: WeightDecayEnd = None

    states: ClassVar[tuple[str, ...]] = ("exp_avg",)
    counts_steps: ClassVar[bool] = False
    clips_on_device: ClassVar[bool] = True

    def build(self, groups: ParameterGroups, offload: bool) -> "torch.optim.Optimizer":
        from launch.training.lion import Lion

        return Lion(groups, lr=0.0, betas=self.betas)

    def new_step_counter(self, optimizer: Any, parameter: "torch.Tensor") -> Any:
        return None


OPTIMIZERS: dict[str, type] = {"adamw": AdamWConfig, "lion": LionConfig}

NO_WEIGHT_DECAY = {"mask_token", "class_token", "positions"}


def parameter_groups(
    model: "torch.nn.Module", scale: Callable[[str], float] = lambda name: 1.0
) -> ParameterGroups:
    """Trained parameters by weight decay and `scale`, which multiplies their learning rate.

    Biases, norms, tokens and positions have no weight decay. Frozen parameters are in no group.
    """
    groups: dict[tuple[float, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            no_decay = parameter.ndim < 2 or bool(NO_WEIGHT_DECAY & set(name.split(".")))
            groups.setdefault((scale(name), not no_decay), []).append(parameter)
    return [
        {"params": groups[key], "scale": key[0], "decays": key[1]}
        for key in sorted(groups, reverse=True)
    ]


def build_optimizer(
    model: "torch.nn.Module",
    optimizer: OptimizerConfig,
    engine: EngineConfig,
    scale: Callable[[str], float],
) -> "torch.optim.Optimizer":
    """The optimizer of a recipe over the trained parameters of a model."""
    return optimizer.build(parameter_groups(model, scale), engine.offload_optimizer)


def state_bytes(optimizer: OptimizerConfig) -> int:
    """Bytes that its states take for each trained value, without the float32 weight."""
    return 4 * len(optimizer.states)

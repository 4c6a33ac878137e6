"""The configuration that DeepSpeed gets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from launch.config import BatchConfig, EngineConfig

REDUCE_BUCKET = 200_000_000  # gradient values that are reduced over processes at a time
GATHER_BUCKET = 50_000_000  # values of weights that ZeRO 3 prefetches


def build_deepspeed_config(
    batch: BatchConfig,
    config: EngineConfig,
    values: int,
    accumulation: int,
    precision: str,
    clips_itself: bool,
) -> dict[str, Any]:
    """DeepSpeed's configuration for a model of so many parameter values.

    `clips_itself`: the optimizer clips and skips gradients that are not finite. DeepSpeed would
    decide that on the host and wait for the device.
    """
    # DeepSpeed allocates a bucket in full, even where it is larger than the model
    zero: dict[str, Any] = {
        "stage": config.stage,
        "reduce_bucket_size": min(REDUCE_BUCKET, values),
        "stage3_prefetch_bucket_size": GATHER_BUCKET,
    }
    if config.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu"}
    settings: dict[str, Any] = {
        "train_batch_size": batch.global_batch_size,
        "train_micro_batch_size_per_gpu": batch.micro_batch,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": 0.0 if clips_itself else config.clip_grad_norm or 0.0,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # an optimizer's row decides how it is offloaded
        "steps_per_print": 10**9,
        "timers": {"throughput": {"enabled": False}},  # it waits for the device at every step
    }
    if precision == "bf16":
        settings["bf16"] = {"enabled": True, "check_grad_overflow": not clips_itself}
    if precision == "fp16":
        settings["fp16"] = {"enabled": True, "loss_scale_window": 1000}
    if precision in ("bf16", "fp16"):
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
    return settings


@contextmanager
def compiler_disabled() -> Iterator[None]:
    """Makes `torch.compile` return functions unchanged while the body runs.

    DeepSpeed imports Muon for a type check, and three decorators in that module would import the
    compiler, which takes seconds.
    """
    name = "TORCHDYNAMO_DISABLE"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

"""Names of logged values and of configuration keys that have changed, so that old runs are read."""

from collections.abc import Mapping
from typing import Any

# up to version 7b7086b: now
LOG_NAMES = {
    "loss/trivial": "loss/constant_baseline",
    "loss/inside_view": "loss/inside_fov",
    "loss/outside_view": "loss/outside_fov",
    "probe/commonest": "probe/majority",
    "val/commonest_class": "val/majority_class",
    "speed/looking": "time/monitoring",
}
METRICS = {"commonest class": "majority class"}  # in metrics.json
CONFIG_KEYS = {
    "batch.clips": "batch.global_batch_size",
    "batch.micro_batch": "batch.micro_batch_size",
    "encoder.patch": "encoder.patch_size",
    "encoder.tubelet": "encoder.tubelet_size",
    "encoder.frames": "encoder.num_frames",
    "encoder.positions": "encoder.pos_embed",
    "decoder.positions": "decoder.pos_embed",
    "engine.recompute": "engine.activation_checkpointing",
    "engine.lost_seconds": "engine.heartbeat_timeout",
    "engine.stall_seconds": "engine.hang_timeout",
    "engine.max_skipped": "engine.max_nonfinite_steps",
    "engine.timeout_seconds": "engine.collective_timeout",
    "checkpoint.asynchronous": "checkpoint.async_save",
    "log.pictures_every_steps": "log.images_every_steps",
    "data.inside_view": "data.mask_inside_fov",
}
CONFIG_SECTIONS = {
    "data.set": "data.dataset",
    "data.sets": "data.datasets",
    "mode": "tuning",
    "head_start": "head_init",
    "mixing": "mixup",
    "views": "test_views",
}


def with_current_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration with old keys renamed; where both are there, the current one counts."""
    renamed = {_current_key(key): value for key, value in config.items()}
    return renamed | {key: value for key, value in config.items() if _current_key(key) == key}


def _current_key(key: str) -> str:
    if key in CONFIG_KEYS:
        return CONFIG_KEYS[key]
    for old, new in CONFIG_SECTIONS.items():
        if key == old or key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    return key

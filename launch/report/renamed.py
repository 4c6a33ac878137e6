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
    "data.sampling.short": "data.sampling.short_videos",
    "data.sampling.avoid": "data.sampling.skip_segments",
    "data.sampling.motion": "data.sampling.motion_weight",
    "data.augmentation.area": "data.augmentation.scale",
    "data.augmentation.erasing": "data.augmentation.random_erasing",
    "data.space": "data.label_space",
    "data.few": "data.shots_per_class",
    "data.fitting": "data.eval_crop",
    "data.set.targets": "data.dataset.multi_label",
    "target.field_of_view_darkness": "log.fov_darkness",
    "mode.backbone_lr": "tuning.backbone_lr_scale",
    "mixing.mixup": "mixup.mixup_alpha",
    "mixing.cutmix": "mixup.cutmix_alpha",
    "views.segments": "test_views.clips",
    "head_start.space": "head_init.label_space",
    "head_start.set": "head_init.dataset",
    "backbone.frames": "backbone.num_frames",
    "backbone.tubelet": "backbone.tubelet_size",
    "backbone.patch": "backbone.patch_size",
    "backbone.positions": "backbone.pos_embed",
    "backbone.allow": "backbone.allow_missing",
    "backbone.trained.frames": "backbone.overrides.num_frames",
    "backbone.trained.positions": "backbone.overrides.pos_embed",
}
CONFIG_VALUES = {
    "moments": "timestamps",
    "neighbours": "knn",
    "as_trained": "native",
    "binary": "bce",
    "centre": "center",
    "squeeze": "resize",
    "one": False,
    "many": True,
    "scores": "logits",
}
# keys whose values had other names
RENAMED_VALUES = ("kind", "variant", "eval_crop", "multi_label", "average")
CONFIG_SECTIONS = {
    "data.set": "data.dataset",
    "data.sets": "data.datasets",
    "mode": "tuning",
    "head_start": "head_init",
    "probe": "knn_probe",
    "backbone.trained": "backbone.overrides",
    "mixing": "mixup",
    "views": "test_views",
}


def with_current_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration with old names renamed; where both are there, the current one counts."""
    renamed = {_current_key(key): _current_value(key, value) for key, value in config.items()}
    current = [key for key in config if _current_key(key) == key]
    return renamed | {key: _current_value(key, config[key]) for key in current}


def _current_value(key: str, value: Any) -> Any:
    if _current_key(key).rpartition(".")[2] in RENAMED_VALUES and isinstance(value, str):
        return CONFIG_VALUES.get(value, value)
    return value


def _current_key(key: str) -> str:
    if key in CONFIG_KEYS:
        return CONFIG_KEYS[key]
    for old, new in CONFIG_SECTIONS.items():
        if key == old or key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    return key

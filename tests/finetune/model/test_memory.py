"""Memory of a classifier, measured without training it."""

import torch

from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.model.classifier import Classifier, freeze_encoder
from finetune.model.heads import HEADS
from finetune.model.memory import classifier_memory, rough_classifier_memory
from launch.capacity.model_memory import ModelMemory

ENCODER = EncoderConfig(
    embed_dim=64, depth=12, num_heads=2, patch_size=16, num_frames=4, image_size=64
)


def build(recompute: bool = False) -> Classifier:
    head = HEADS["tsn"]().build(ENCODER, 5)
    return Classifier(VideoEncoder(ENCODER, recompute), head)


def measured(model: Classifier, segments: int = 1) -> ModelMemory:
    return classifier_memory(model, segments, "fp32", False, model.encoder.activation_checkpointing)


def test_the_classifier_itself_is_not_changed() -> None:
    model = build()
    found = measured(model)
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
    assert all(weight.device.type == "cpu" for weight in model.parameters())


def test_activations_are_the_tensors_saved_for_the_backward_pass() -> None:
    model, clip = build(), torch.zeros(1, 4, 64, 64, 3, dtype=torch.uint8)
    saved: set[int] = set()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    bytes_of: dict[int, int] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved.add(storage.data_ptr())
            bytes_of[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        logits = model(clip)["logits"]
    total = sum(bytes_of[pointer] for pointer in saved)
    assert total <= measured(model).activations <= 2 * total
    assert logits.shape == (1, 5)


def test_the_rough_estimate_is_above_the_exact_one() -> None:
    for segments in (1, 3):
        rough, exact = rough_classifier_memory(build(), segments), measured(build(), segments)
        assert rough.parameters == exact.parameters
        assert exact.activations < rough.activations < 8 * exact.activations


def test_segments_recomputation_and_freezing_change_the_activations() -> None:
    whole = measured(build()).activations
    assert 2.5 * whole < measured(build(), segments=3).activations < 3.5 * whole
    assert measured(build(recompute=True)).activations < 0.7 * whole
    frozen = build()
    freeze_encoder(frozen, 0)
    assert measured(frozen).activations < 0.7 * whole

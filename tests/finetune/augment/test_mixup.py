"""Mixup and CutMix: timm's results, for pairs that do not depend on micro-batches."""

import importlib.util
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.data.mixup import Mixup

from finetune.augment.config import MixupConfig
from finetune.augment.mixup import mixup
from finetune.augment.transforms import draw_seed, seeded_globals
from finetune.model.losses import LOSSES

ROOT = Path(__file__).parents[3]
CLASSES = 5
SHAPE = (4, 12, 20, 3)  # all sizes differ, so swapped axes are noticed
LABELS = torch.tensor([0, 1, 4, 2])
MIXUP, CUTMIX = MixupConfig(cutmix_alpha=0.0), MixupConfig(mixup_alpha=0.0)


def clips(number: int = 4) -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (number, *SHAPE), dtype=np.uint8)
    return torch.from_numpy(drawn)


def generators(pairs: Sequence[int]) -> list[np.random.Generator]:
    return [np.random.default_rng(pair) for pair in pairs]


def mixed(
    config: MixupConfig,
    labels: torch.Tensor = LABELS,
    smoothing: float = 0.0,
    pairs: Sequence[int] = (0, 1),
) -> tuple[torch.Tensor, torch.Tensor]:
    return mixup(clips(), labels, config, CLASSES, smoothing, generators(pairs))


def test_mixup_is_linear_with_its_coefficient_in_the_target() -> None:
    given = clips()
    before = given.clone()
    found, targets = mixup(given, LABELS, MIXUP, CLASSES, 0.0, generators([0, 1]))
    assert torch.equal(given, before)
    assert found.shape == given.shape and found.dtype == torch.float32
    for one, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        share = targets[one, LABELS[one]].double()
        assert 0 < share < 1
        expected = (share * given[one].double() + (1 - share) * given[other].double()) / 255
        torch.testing.assert_close(found[one].double(), expected, rtol=0, atol=1e-6)
        assert targets[one, LABELS[other]] == pytest.approx(1 - float(share), abs=1e-6)
    torch.testing.assert_close(targets.sum(1), torch.ones(4))
    assert targets[0, 0] != targets[2, 4]  # each pair has its own coefficient


@pytest.mark.parametrize("pair", range(12))
def test_cutmix_pastes_one_box_into_all_frames_and_counts_its_area(pair: int) -> None:
    images = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    images[1] = 255
    found, targets = mixup(images, LABELS[:2], CUTMIX, CLASSES, 0.0, generators([pair]))
    pasted = found[0]
    assert set(pasted.unique().tolist()) <= {0.0, 1.0}
    assert (pasted == pasted[:1, :, :, :1]).all()
    assert torch.equal(found[1], 1 - pasted)
    rows, columns = pasted[0, :, :, 0].any(1), pasted[0, :, :, 0].any(0)
    assert torch.equal(pasted[0, :, :, 0], torch.outer(rows, columns).float())
    for of in (rows, columns):  # without a gap
        assert (of.int().diff() != 0).sum() <= 2
    assert float(targets[0, 1]) == pytest.approx(float(pasted.mean()), abs=1e-6)
    assert float(targets[1, 0]) == pytest.approx(float(pasted.mean()), abs=1e-6)


def test_cutmix_cuts_boxes_of_many_sizes() -> None:
    found = [
        mixup(clips(2), LABELS[:2], CUTMIX, CLASSES, 0.0, generators([pair]))[1][0, 1].item()
        for pair in range(30)
    ]
    assert len(set(found)) > 15 and min(found) < 0.1 and max(found) > 0.5


@pytest.mark.parametrize("config", [MixupConfig(), MIXUP, CUTMIX, MixupConfig(prob=0.5)])
def test_a_pair_does_not_depend_on_its_batch(config: MixupConfig) -> None:
    together = mixup(clips(8), LABELS.repeat(2), config, CLASSES, 0.1, generators(range(4)))
    parts = [
        mixup(clips(8)[part], LABELS.repeat(2)[part], config, CLASSES, 0.1, generators(pairs))
        for part, pairs in ((slice(0, 2), [0]), (slice(2, 6), [1, 2]), (slice(6, 8), [3]))
    ]
    for whole, divided in zip(together, zip(*parts, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(divided))
    others = mixup(clips(8), LABELS.repeat(2), config, CLASSES, 0.1, generators(range(4, 8)))
    assert not torch.equal(others[0], together[0])


@pytest.mark.parametrize("config", [MixupConfig(), MixupConfig(prob=0.5, switch_prob=0.2)])
def test_clips_and_targets_equal_timms(config: MixupConfig) -> None:
    changed = 0
    for pair in range(20):
        found, targets = mixup(clips(2), LABELS[:2], config, CLASSES, 0.1, generators([pair]))
        folded = (clips(2).float() / 255).permute(0, 1, 4, 2, 3).flatten(1, 2)
        timms = Mixup(0.8, 1.0, None, config.prob, config.switch_prob, "batch", True, 0.1, CLASSES)
        with seeded_globals(draw_seed(np.random.default_rng(pair))):
            expected, shares = timms(folded, LABELS[:2])
        torch.testing.assert_close(targets, shares, rtol=0, atol=1e-6)
        unfolded = expected.unflatten(1, (4, 3)).permute(0, 1, 3, 4, 2)
        assert torch.equal(found, unfolded)
        changed += not torch.equal(found, clips(2).float() / 255)
    assert changed == 20 if config.prob == 1 else 0 < changed < 20


@pytest.mark.parametrize(
    "config", [MixupConfig(mixup_alpha=0, cutmix_alpha=0), MixupConfig(prob=0)]
)
def test_nothing_is_mixed_if_mixup_is_off(config: MixupConfig) -> None:
    found, targets = mixed(config, smoothing=0.1)
    assert not config.on and MixupConfig().on
    assert torch.equal(found, clips().float() / 255)
    expected = F.one_hot(LABELS, CLASSES) * 0.9 + 0.1 / CLASSES
    torch.testing.assert_close(targets, expected)


def test_multi_label_targets_are_mixed_and_unknown_ones_stay_unknown() -> None:
    many = torch.tensor([[1, 0, 1, 0, -1], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, -1, 1, -1]])
    for config in (MIXUP, CUTMIX):
        _, targets = mixed(config, many, smoothing=0.1)
        _, shares = mixed(config)  # the same generators, so the same shares
        own = shares[0, 0]
        expected = torch.stack(
            [torch.tensor(1.0), torch.tensor(0.0), own, 1 - own, -torch.ones(())]
        )
        torch.testing.assert_close(targets[0], expected)
        assert targets[2:, [2, 4]].tolist() == [[-1, -1], [-1, -1]]
        torch.testing.assert_close(targets[2, [0, 1, 3]], shares[2, 2].expand(3))
    _, unmixed = mixed(MixupConfig(prob=0), many)
    assert torch.equal(unmixed, many.float())  # the other clip does not contribute


def test_the_losses_of_mixed_targets_are_the_mixed_losses() -> None:
    logits = torch.randn(4, CLASSES, generator=torch.Generator().manual_seed(0))
    own = mixed(MIXUP)[1][torch.arange(4), LABELS]
    counts = torch.ones(CLASSES, dtype=torch.int64)
    many = F.one_hot(LABELS, CLASSES) | F.one_hot(LABELS.flip(0), CLASSES)
    for kind, labels in (("cross_entropy", LABELS), ("bce", many)):
        loss = LOSSES[kind]().build(counts)

        def each(logits: torch.Tensor, target: torch.Tensor, loss=loss) -> torch.Tensor:
            return loss({"logits": logits}, target)

        found = each(logits, mixed(MIXUP, labels)[1])
        expected = sum(
            own[i] * each(logits[[i]], labels[[i]]) + (1 - own[i]) * each(logits[[i]], labels[[j]])
            for i, j in ((0, 1), (1, 0), (2, 3), (3, 2))
        )
        torch.testing.assert_close(found, expected / 4)


def test_global_random_states_are_unchanged() -> None:
    # without the import hook, whose type checker draws random numbers itself
    spec = importlib.util.spec_from_file_location("unchecked", ROOT / "finetune/augment/mixup.py")
    unchecked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unchecked)
    given, rngs = clips(), generators([0, 1])

    def drawn() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()

    with seeded_globals(0):
        expected = drawn()
    with seeded_globals(0):
        unchecked.mixup(given, LABELS, MixupConfig(), CLASSES, 0.0, rngs)
        assert drawn() == expected


@pytest.mark.parametrize(
    ("number", "labels", "pairs", "reason"),
    [
        (3, [0, 1, 2], 1, "3 clips and 1 generators"),
        (4, [0, 1, 2, 3], 1, "4 clips and 1 generators"),
        (2, [0, -1], 1, "label -1 of clip 1 is not in 0 to 4"),
        (2, [5, 0], 1, "label 5 of clip 0 is not in 0 to 4"),
        (2, [[0, 1, 0, 0, 2], [0, 0, 0, 0, 0]], 1, "label 2 of clip 0 is not in -1 to 1"),
        (2, [[0, 1], [0, 0]], 1, "2 labels per clip for 5 classes"),
    ],
)
def test_invalid_clips_and_labels_are_refused(
    number: int, labels: list[int], pairs: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        mixup(clips(number), torch.tensor(labels), MixupConfig(), CLASSES, 0.0, generators([0]))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("alpha", [1e-300, 1e-5, 1e300])
def test_extreme_alphas_give_finite_results(alpha: float) -> None:
    found, targets = mixed(MixupConfig(mixup_alpha=alpha, cutmix_alpha=alpha))
    assert found.isfinite().all() and targets.min() >= 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_gives_the_hosts_results_and_keeps_its_random_state() -> None:
    expected, shares = mixed(MixupConfig())
    before = torch.cuda.get_rng_state()
    found, targets = mixup(clips().cuda(), LABELS, MixupConfig(), CLASSES, 0.0, generators([0, 1]))
    assert found.is_cuda and targets.is_cuda
    assert torch.equal(torch.cuda.get_rng_state(), before)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(targets.cpu(), shares, rtol=0, atol=1e-6)

"""The table of GPUs."""

import pytest

from launch.capacity.cards import CARDS, Card, find_card


def test_names_are_unique_and_say_the_memory() -> None:
    assert len({card.name for card in CARDS}) == len({card.device for card in CARDS}) == len(CARDS)
    for card in CARDS:
        nominal = int(card.name.rpartition("-")[2]) * 1e9 / 2**30  # GB of the data sheet in GiB
        assert card.memory_gib < 1.1 * nominal
        assert card.bus in ("SXM", "PCIe") and card.source.startswith("NVIDIA")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_peaks_fall_with_the_bytes_of_a_value(card: Card) -> None:
    half, fp32 = card.peak_flops("fp16"), card.peak_flops("fp32")
    assert half is not None and fp32 is not None and half > fp32 > 1e12
    if card.tf32 is None:
        assert card.peak_flops("bf16") is None and card.device.startswith("Tesla V100")
    else:
        assert card.peak_flops("bf16") == half
        assert card.peak_flops("tf32") == pytest.approx(half / 2, rel=0.015)
        assert card.tf32 >= card.fp32


@pytest.mark.parametrize(
    ("device", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA B200", 2250e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("A100-SXM4-40GB", 312e12),  # by an old driver
        ("NVIDIA L40", 181e12),
        ("NVIDIA L40S", 362e12),
    ],
)
def test_a_card_is_known_by_its_full_name(device: str, bf16: float) -> None:
    card = find_card(device)
    assert card is not None and card.peak_flops("bf16") == bf16


@pytest.mark.parametrize(
    "device", ["NVIDIA H20", "NVIDIA H100", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "CPU", ""]
)
def test_a_name_that_is_merely_alike_is_unknown(device: str) -> None:
    assert find_card(device) is None

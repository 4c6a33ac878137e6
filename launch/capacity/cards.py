"""GPUs by name: memory, bus, and peak operations per second of their data sheets.

Peaks are dense TFLOP/s at boost clock, without sparsity, of products that accumulate in float32:
where a data sheet gives only the sparse figure, half of it. A card that is not in this table has no
peak here: a name that is merely alike may be another card (H100 PCIe, NVL and SXM differ by a
third).
"""

from typing import NamedTuple

NVIDIA = "NVIDIA "  # drivers before 470 leave this out of a device's name


class Card(NamedTuple):
    """A GPU. A peak is None where the card has no tensor cores for that precision."""

    name: str  # of `--gpu`, with the GB of the data sheet
    device: str  # torch.cuda.get_device_name(), without NVIDIA
    memory_gib: float  # that CUDA can give, below the data sheet's: ECC and the driver take a part
    bus: str
    link_gbs: float  # to the next GPU of a node, in one direction: NVLink, or x16 lanes of PCIe
    half: float  # fp16, and bf16 where the card has it
    tf32: float | None  # None: a card before Ampere, without bf16 too
    fp32: float
    source: str

    def peak_flops(self, precision: str) -> float | None:
        """Operations per second in `bf16`, `fp16`, `tf32` or `fp32`."""
        has_bf16 = self.tf32 is not None
        peaks = {
            "bf16": self.half if has_bf16 else None,
            "fp16": self.half,
            "tf32": self.tf32,
            "fp32": self.fp32,
        }
        peak = peaks[precision]
        return None if peak is None else peak * 1e12


H100, H200 = "NVIDIA H100 data sheet", "NVIDIA H200 data sheet"
A100, V100 = "NVIDIA A100 data sheet", "NVIDIA V100 data sheet"
ADA, AMPERE = "NVIDIA Ada GPU architecture paper", "NVIDIA Ampere GA102 architecture paper"

# Memory: what PyTorch names as a device's total capacity in public reports of this card.
CARDS = (
    Card("b200-192", "B200", 178.3, "SXM", 900, 2250, 1125, 75, "NVIDIA HGX B200 data sheet"),
    Card("h200-141", "H200", 139.7, "SXM", 450, 989, 494, 67, H200),
    Card("h200-nvl-141", "H200 NVL", 139.7, "PCIe", 64, 835, 417, 60, H200),
    Card("gh200-96", "GH200 480GB", 94.5, "SXM", 450, 989, 494, 67, "NVIDIA GH200 data sheet"),
    Card("h100-80", "H100 80GB HBM3", 79.1, "SXM", 450, 989, 494, 67, H100),
    Card("h100-pcie-80", "H100 PCIe", 79.1, "PCIe", 64, 756, 378, 51, H100),
    Card("h100-nvl-94", "H100 NVL", 93.0, "PCIe", 64, 835, 417, 60, H100),
    Card("a100-80", "A100-SXM4-80GB", 79.1, "SXM", 300, 312, 156, 19.5, A100),
    Card("a100-pcie-80", "A100 80GB PCIe", 79.1, "PCIe", 32, 312, 156, 19.5, A100),
    Card("a100-40", "A100-SXM4-40GB", 39.4, "SXM", 300, 312, 156, 19.5, A100),
    Card("a100-pcie-40", "A100-PCIE-40GB", 39.4, "PCIe", 32, 312, 156, 19.5, A100),
    Card("l40s-48", "L40S", 44.3, "PCIe", 32, 362, 183, 91.6, "NVIDIA L40S data sheet"),
    Card("l40-48", "L40", 44.3, "PCIe", 32, 181, 90.5, 90.5, "NVIDIA L40 data sheet"),
    Card("a40-48", "A40", 44.3, "PCIe", 32, 149.7, 74.8, 37.4, "NVIDIA A40 data sheet"),
    Card("rtx-6000-ada-48", "RTX 6000 Ada Generation", 47.3, "PCIe", 32, 364, 182, 91.1, ADA),
    Card("rtx-a6000-48", "RTX A6000", 47.3, "PCIe", 32, 154.8, 77.4, 38.7, AMPERE),
    Card("v100-32", "Tesla V100-SXM2-32GB", 31.7, "SXM", 150, 125, None, 15.7, V100),
    Card("v100-pcie-32", "Tesla V100-PCIE-32GB", 31.7, "PCIe", 16, 112, None, 14, V100),
    Card("v100-16", "Tesla V100-SXM2-16GB", 15.7, "SXM", 150, 125, None, 15.7, V100),
    Card(
        "rtx-5090-32",
        "GeForce RTX 5090",
        31.3,
        "PCIe",
        64,
        209.5,
        104.8,
        104.8,
        "NVIDIA RTX Blackwell GPU architecture paper",
    ),
    Card("rtx-4090-24", "GeForce RTX 4090", 23.5, "PCIe", 32, 165.2, 82.6, 82.6, ADA),
    Card("rtx-3090-24", "GeForce RTX 3090", 23.5, "PCIe", 32, 71, 35.6, 35.6, AMPERE),
    Card("l4-24", "L4", 22.0, "PCIe", 32, 121, 60, 30.3, "NVIDIA L4 data sheet"),
    Card("a30-24", "A30", 23.4, "PCIe", 32, 165, 82, 10.3, "NVIDIA A30 data sheet"),
    Card("a10-24", "A10", 22.0, "PCIe", 32, 125, 62.5, 31.2, "NVIDIA A10 data sheet"),
)
BY_NAME = {card.name: card for card in CARDS}


def find_card(device_name: str) -> Card | None:
    """The card of a device's full name; None where it is not in the table."""
    wanted = device_name.removeprefix(NVIDIA)
    return next((card for card in CARDS if card.device == wanted), None)

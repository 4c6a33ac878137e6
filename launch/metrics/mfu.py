"""Peak operations of the GPU of this process, the denominator of model FLOPs utilization (MFU)."""

from collections.abc import Callable

import torch

from launch.capacity.cards import find_card

TABLE = "launch/capacity/cards.py"


def peak_flops(device: torch.device, precision: str, report: Callable[[str], None]) -> float | None:
    """Operations per second by the data sheet, for the precision of the model's products.

    None on a CPU; also for a GPU that is not in the table, which goes to `report`.
    """
    if device.type != "cuda":
        return None
    name, product = torch.cuda.get_device_name(device), _product_precision(precision)
    card = find_card(name)
    peak = card.peak_flops(product) if card else None
    if card is None:
        report(f"MFU: not logged, because {TABLE} has no card named {name}")
    elif peak is None:
        report(f"MFU: not logged, because {name} has no {product} tensor cores")
    return peak


def _product_precision(precision: str) -> str:
    """Products of float32 run as TF32 where PyTorch may use it."""
    uses_tf32 = precision == "fp32" and torch.backends.cuda.matmul.fp32_precision == "tf32"
    return "tf32" if uses_tf32 else precision

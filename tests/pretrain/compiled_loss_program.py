"""Compares the compiled loss of a micro-batch with the uncompiled one; run by test_loss_parts.

    compiled_loss_program.py TARGET BACKEND

BACKEND is one of torch.compile. Prints a JSON object.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch._dynamo.utils import counters

from encoder.config import EncoderConfig
from pretrain.loss import build_objective
from pretrain.loss_parts import BatchLoss, batch_loss
from pretrain.targets.registry import TARGETS
from pretrain.targets.spec import values_per_token

CLIPS, VISIBLE, DECODED = 3, 8, 16


def results(compare: Callable[..., BatchLoss], width: int, encoder: EncoderConfig) -> list[Tensor]:
    """The loss, its parts and the gradient of the prediction."""
    drawn = torch.Generator().manual_seed(0)
    shape = (CLIPS, encoder.num_frames, *encoder.image_size, encoder.channels)
    clip = torch.randint(0, 256, shape, dtype=torch.uint8, generator=drawn)
    tokens = torch.stack([torch.randperm(encoder.tokens, generator=drawn) for _ in range(CLIPS)])
    visible, decoded = (tokens[:, :n].sort().values for n in (VISIBLE, DECODED))
    prediction = torch.randn(CLIPS, DECODED, width, generator=drawn).requires_grad_()
    found = compare(prediction, clip, visible, decoded)
    found.loss.backward()
    return [found.loss.detach(), found.sums, prediction.grad]


def main() -> None:
    encoder = EncoderConfig(embed_dim=32, depth=1, num_heads=2, num_frames=4, image_size=(64, 64))
    target = TypeAdapter(TARGETS[sys.argv[1]]).validate_python({"kind": sys.argv[1]})
    compare = partial(batch_loss, build_objective(encoder, target), 0.06)
    width = values_per_token(target, encoder, None)
    compiled = torch.compile(compare, dynamic=False, backend=sys.argv[2])
    pairs = zip(results(compiled, width, encoder), results(compare, width, encoder), strict=True)
    print(
        json.dumps(
            {
                "distances": [float((a - b).norm() / b.norm()) for a, b in pairs],
                "graphs": counters["stats"]["unique_graphs"],
                "breaks": len(counters["graph_break"]) + len(counters["unimplemented"]),
            }
        )
    )


if __name__ == "__main__":
    main()

"""Compares compiled blocks with uncompiled ones; run by test_block.

    compiled_program.py DROP_PATH BACKEND

BACKEND is one of torch.compile. Prints a JSON object.
"""

import copy
import json
import sys
from functools import partialmethod
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from encoder.block import build_blocks, compile_blocks, uncompiled


def results(blocks: nn.ModuleList) -> list[Tensor]:
    """Output and gradient of a stack whose last block computes some tokens only."""
    x = torch.randn(2, 12, 32, generator=torch.manual_seed(0)).requires_grad_()
    out = x
    for block in blocks:
        out = block(out, None)
    out = blocks[-1](out, 5)
    out.square().sum().backward()
    return [out.detach(), x.grad]


def main() -> None:
    nn.Module.compile = partialmethod(nn.Module.compile, backend=sys.argv[2])
    blocks = build_blocks(12, 32, 2, 4.0, drop_path=float(sys.argv[1]))
    compiled = copy.deepcopy(blocks)
    compile_blocks(compiled)
    results(compiled.train())
    graphs = counters["stats"]["unique_graphs"]
    with uncompiled(compiled.eval()):
        results(compiled)
    in_evaluation = counters["stats"]["unique_graphs"] - graphs
    pairs = zip(results(compiled.eval()), results(blocks.eval()), strict=True)
    print(
        json.dumps(
            {
                "names": list(compiled.state_dict()) == list(blocks.state_dict()),
                "distances": [float((a - b).norm() / b.norm()) for a, b in pairs],
                "graphs": graphs,
                "in_evaluation": in_evaluation,
                "breaks": len(counters["graph_break"]) + len(counters["unimplemented"]),
            }
        )
    )


if __name__ == "__main__":
    main()

"""The same weights and clips on the CPU in float32 and on the device: loss and gradient."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from benchmarks.competitors import DUAL, Inputs, Task, inputs, our_loss
from benchmarks.gpu.figure import Figure, Setting, at_least, at_most
from benchmarks.gpu.pretrain_run import TINY
from pretrain.autoencoder import MaskedAutoencoder

CLIPS = 2
# precision: largest relative error of the loss, smallest cosine of the gradients
LIMITS: dict[Literal["fp32", "bf16"], tuple[float, float]] = {
    "fp32": (1e-5, 0.99999),
    "bf16": (3e-3, 0.99),
}


def compare_devices(setting: Setting) -> Iterator[Figure]:
    torch.backends.cuda.matmul.allow_tf32 = False
    custom = {"tiny": TINY} if setting.is_dry else {"tiny": TINY, "base": None}
    for size, configs in custom.items():
        host = Task(size, "fp32", CLIPS, torch.device("cpu"), configs)
        torch.manual_seed(0)
        model = MaskedAutoencoder(*host.configs)
        data = inputs(host, DUAL)
        loss, gradient = _loss_and_gradient(model, host, data)
        for precision, (error, cosine) in LIMITS.items():
            task = host._replace(precision=precision, device=setting.device)
            dtype = torch.bfloat16 if precision == "bf16" else torch.float32
            other = MaskedAutoencoder(*task.configs).to(setting.device)
            other.load_state_dict(model.state_dict())
            other.to(dtype)
            moved = data._replace(
                clips=[clip.to(setting.device) for clip in data.clips],
                visible=data.visible.to(setting.device),
                decoded=data.decoded.to(setting.device),
            )
            other_loss, other_gradient = _loss_and_gradient(other, task, moved)
            name = f"{size} in {precision}"
            relative = abs(other_loss / loss - 1)
            yield Figure(f"{name}: relative error of the loss", relative, at_most(error))
            similarity = float(torch.cosine_similarity(gradient, other_gradient, dim=0))
            yield Figure(f"{name}: cosine of the gradients", similarity, at_least(cosine))


def _loss_and_gradient(model: MaskedAutoencoder, task: Task, data: Inputs) -> tuple[float, Tensor]:
    loss = our_loss(model, task, data)(0)
    loss.backward()
    gradients = [w.grad.cpu().double().flatten() for w in model.parameters() if w.grad is not None]
    return float(loss), torch.cat(gradients)

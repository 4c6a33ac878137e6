"""Parameter groups, rows of the table, and offloading; steps are tested with checkpoints."""

import json

import pytest
import torch

from launch.config import EngineConfig
from launch.training.optimizer import OPTIMIZERS, build_optimizer, parameter_groups, state_bytes
from tests.conftest import run_python
from tests.launch.training.optimizers import KINDS

OFFLOADED = """
import json, sys
import torch
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import LionConfig

init_process_group(Processes(), 600)
losses = {}
for offload in (False, True):
    torch.manual_seed(0)
    config = EngineConfig(zero_stage=2, offload_optimizer=offload, clip_grad_norm=0.5)
    model = torch.nn.Linear(5, 5)
    engine = Engine(model, BatchConfig(1, 1), LionConfig(), config, Processes())
    losses[str(offload)] = []
    for step in range(5):
        loss = (engine.forward(torch.ones(1, 5)) - 2).square().mean()
        engine.backward(loss)
        engine.step(1e-2, 0.1)
        losses[str(offload)].append(float(loss))
print(json.dumps(losses))
engine.close()
"""


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    built = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    built.register_parameter("positions", torch.nn.Parameter(torch.ones(5, 3)))
    return built


def named(built: torch.nn.Module, **more) -> dict[tuple[float, bool], set[str]]:
    names = {parameter: name for name, parameter in built.named_parameters()}
    groups = parameter_groups(built, **more)
    return {(g["scale"], g["decays"]): {names[p] for p in g["params"]} for g in groups}


def test_matrices_decay_and_biases_norms_and_positions_do_not() -> None:
    assert named(model()) == {
        (1.0, True): {"0.weight", "2.weight"},
        (1.0, False): {"0.bias", "1.weight", "1.bias", "2.bias", "positions"},
    }


def test_a_learning_rate_of_its_own_makes_a_group_of_its_own() -> None:
    groups = named(model(), scale=lambda name: 0.1 if name.startswith("0.") else 1.0)
    assert groups[0.1, True] == {"0.weight"} and groups[0.1, False] == {"0.bias"}
    assert list(groups) == sorted(groups, reverse=True)


def test_frozen_parameters_are_in_no_group() -> None:
    built = model()
    built[0].requires_grad_(False)
    assert set().union(*named(built).values()) == {
        "positions",
        "1.weight",
        "1.bias",
        "2.weight",
        "2.bias",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_says_which_states_its_optimizer_has(kind: str) -> None:
    row, built = KINDS[kind](), model()
    optimizer = build_optimizer(built, row, EngineConfig(), lambda name: 1.0)
    for parameter in built.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for parameter in built.parameters():
        state = optimizer.state[parameter]
        assert set(state) == {*row.states, *(["step"] if row.counts_steps else [])}
        assert all(state[name].shape == parameter.shape for name in row.states)
        assert state_bytes(row) == sum(state[name].itemsize for name in row.states)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].clips_on_device])
def test_a_kernel_clips_and_skips_by_what_the_engine_sets(kind: str) -> None:
    def weights_after(gradient: float, **set_by_engine: float) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = KINDS[kind]().build([{"params": [weight], "lr": 0.1}], offload=False)
        for value in (1e-9, gradient):  # a small one first, so that the scale has an effect
            weight.grad = torch.tensor([value, -value, value])
            optimizer.step()
            for name, each in set_by_engine.items():
                setattr(optimizer, name, torch.tensor(each))
        return weight.detach()

    bad = weights_after(float("nan"), found_inf=1.0)
    assert torch.equal(bad, weights_after(float("nan"), found_inf=1.0)) and bad.isfinite().all()
    assert torch.allclose(weights_after(8.0, grad_scale=4.0), weights_after(2.0))
    assert not torch.equal(weights_after(8.0, found_inf=1.0), weights_after(8.0, found_inf=0.0))


def test_lion_can_be_offloaded_and_trains_alike() -> None:
    lines = run_python("-c", OFFLOADED)
    losses = json.loads(lines[-1])
    assert losses["True"] == pytest.approx(losses["False"], rel=1e-6)
    assert losses["True"][-1] < losses["True"][0]


def test_the_table_has_the_kinds_of_its_rows() -> None:
    assert all(row().kind == kind for kind, row in OPTIMIZERS.items())

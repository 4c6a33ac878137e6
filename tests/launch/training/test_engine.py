"""How parameters are grouped; the engine itself is tested with its checkpoints, at every stage."""

import torch

from launch.training.optimizer import parameter_groups


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

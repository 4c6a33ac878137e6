"""Numbers recorded from VideoMAE V2's own code, from the encoder to five optimizer steps."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from encoder.patchify import gather_tokens
from launch.training.optimizer import parameter_groups
from pretrain.checkpoint.decoder_names import to_layout
from pretrain.loss import token_errors
from pretrain.targets.built import build_target
from pretrain.targets.pixel_targets import NormalisedPixels, Pixels

FIXTURES = Path(__file__).parent / "fixtures"


def upstream_names(tensors: dict[str, Tensor], recorded) -> dict[str, Tensor]:
    return to_layout(tensors, "videomae", recorded.encoder)


def loss_of(recorded, model, decoded: Tensor) -> Tensor:
    target = build_target(NormalisedPixels(), recorded.encoder).compute(recorded.clip, decoded)
    prediction = model(recorded.clip, recorded.visible, decoded)
    tokens = recorded.encoder.tokens
    return token_errors(prediction, target.values, recorded.visible, decoded, tokens).loss()


def test_encoder(recorded) -> None:
    tokens = recorded.model().encoder(recorded.clip, recorded.visible).tokens
    torch.testing.assert_close(tokens, recorded.tensors["encoder_out"], atol=1e-5, rtol=0)


KEPT = torch.arange(0, 64, 2).expand(2, -1)  # the recorded targets that are kept as a fixture


@pytest.mark.parametrize("case", ["dual", "nodual"])
def test_decoder(recorded, case: str) -> None:
    decoded = recorded.decoded if case == "dual" else recorded.hidden
    prediction = recorded.model()(recorded.clip, recorded.visible, decoded)
    expected = recorded.tensors[f"decoder_out_{case}"]
    torch.testing.assert_close(prediction, expected, atol=5e-6, rtol=0)


def test_normalised_target(recorded) -> None:
    target = build_target(NormalisedPixels(), recorded.encoder).compute(recorded.clip, KEPT)
    # token 0 of clip 0 is constant: rounding is divided by 1e-6 there
    ours, expected = (
        x.flatten(0, 1)[1:] for x in (target.values, recorded.tensors["targets_norm"])
    )
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_target_of_plain_pixels(recorded) -> None:
    target = build_target(Pixels(), recorded.encoder).compute(recorded.clip, KEPT)
    expected = recorded.tensors["targets_raw_first_sample"]
    torch.testing.assert_close(target.values[:1], expected, atol=1e-5, rtol=0)


def test_targets_are_computed_for_the_given_tokens_only(recorded) -> None:
    everything = torch.arange(64).expand(2, -1)
    whole, part = (
        build_target(NormalisedPixels(), recorded.encoder).compute(recorded.clip, index).values
        for index in (everything, recorded.decoded)
    )
    assert torch.equal(gather_tokens(whole, recorded.decoded), part)


KEPT = torch.arange(0, 64, 2).expand(2, -1)  # the recorded targets that are kept as a fixture


@pytest.mark.parametrize("case", ["dual", "nodual"])
def test_loss(recorded, case: str) -> None:
    decoded = recorded.decoded if case == "dual" else recorded.hidden
    loss = loss_of(recorded, recorded.model(), decoded)
    assert float(loss.detach()) == pytest.approx(recorded.facts["loss"][case], abs=1e-6)


def test_gradients(recorded) -> None:
    model = recorded.model()
    loss_of(recorded, model, recorded.decoded).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    ours = upstream_names(gradients, recorded)
    expected = load_file(FIXTURES / "public_tube_runcell_grads_small.safetensors")
    assert len(expected) == 41
    for name, gradient in expected.items():
        ours_here = ours[name.removeprefix("grad.")]
        torch.testing.assert_close(ours_here, gradient, atol=1e-7, rtol=1e-4, msg=name)
    norms = recorded.facts["grad_norm_per_param_step0"]
    assert {name: float(g.norm()) for name, g in ours.items()} == pytest.approx(norms, rel=1e-4)


def test_five_steps_of_adamw(recorded) -> None:
    trajectory = recorded.facts["trajectory"]
    model = recorded.model()
    groups = [{**g, "weight_decay": 0.05 if g["decays"] else 0.0} for g in parameter_groups(model)]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for learning_rate in trajectory["lr"]:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        loss = loss_of(recorded, model, recorded.decoded)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses == pytest.approx(trajectory["losses"], abs=1e-5)
    after = upstream_names(dict(model.named_parameters()), recorded)
    norms = {name: float(parameter.detach().norm()) for name, parameter in after.items()}
    assert norms == pytest.approx(trajectory["param_norm_after"], rel=1e-5)


def test_groups_with_and_without_weight_decay(recorded) -> None:
    model = recorded.model()
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group, expected in zip(
        parameter_groups(model), reversed(recorded.facts["param_groups"]), strict=True
    ):
        inside = {names[parameter] for parameter in group["params"]}
        marked = {
            name: torch.full_like(tensor, name in inside)
            for name, tensor in model.state_dict().items()
        }
        ours = {name for name, mark in upstream_names(marked, recorded).items() if mark.all()}
        assert ours == set(expected["names"])

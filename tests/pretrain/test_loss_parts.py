"""The baseline and the parts of a loss are over the clips of the loss itself."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from launch.recipe import load_recipe
from launch.rng import sample_rng
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.loss import build_objective
from pretrain.loss_parts import LossParts, batch_loss
from pretrain.targets.spec import values_per_token
from tests.conftest import run_python

CLIPS = 8


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


class Clips:
    """Clips of different brightness, from two sources, and predictions for them."""

    def __init__(self, loss: str, target: str) -> None:
        self.config = load_recipe(
            PretrainConfig,
            "demo",
            [
                f"loss={{kind: {loss}}}",
                f"target={{kind: {target}}}",
                "encoder.num_frames=4",
                "data.clips_per_read=2",
                "data.source=null",
                "data.sources={a: {path: x}, b: {path: y}}",
            ],
            RECIPES,
            run="unused",
        )
        config = self.config
        self.objective = build_objective(config.encoder, config.target, config.loss)
        noise = torch.Generator().manual_seed(0)
        frames, (rows, columns) = config.encoder.num_frames, config.encoder.image_size
        clips = torch.rand(CLIPS, frames, rows, columns, 3, generator=noise)
        brightness = torch.linspace(20, 255, CLIPS).view(-1, 1, 1, 1, 1)
        self.clip = (clips * brightness).to(torch.uint8)
        self.clip[::2, :, :, : columns // 2] = 0  # border
        rngs = [sample_rng(0, 0, i, "mask") for i in range(CLIPS)]
        masks = config.masking.draw(config.encoder.grid, rngs)
        self.visible, self.decoded = map(torch.from_numpy, masks)
        width = values_per_token(config.target, config.encoder, None)
        self.prediction = torch.randn(*self.decoded.shape, width, generator=noise)

    def parts(self) -> LossParts:
        return LossParts(self.config, {"a.mp4": "a", "b.mp4": "b"})

    def add(self, parts: LossParts, chosen: slice) -> float:
        """Adds some clips as a micro-batch; their loss."""
        clip, visible, decoded = self.clip[chosen], self.visible[chosen], self.decoded[chosen]
        names = tuple("aabb"[i % 4] + ".mp4" for i in range(chosen.start, chosen.stop, 2))
        prediction = self.prediction[chosen]
        found = batch_loss(
            self.objective, self.config.log.fov_darkness, prediction, clip, visible, decoded
        )
        parts.add(found.sums, names)
        return float(found.loss)

    def figures(self, micro_batch: int, clips: int = CLIPS) -> dict[str, float]:
        """Of an interval in micro-batches of a size, with the loss itself."""
        parts = self.parts()
        begins = range(0, clips, micro_batch)
        losses = [self.add(parts, slice(begin, begin + micro_batch)) for begin in begins]
        finite = [loss for loss in losses if math.isfinite(loss)]
        return {"loss/train": sum(finite) / len(finite), **parts.close_interval()}


@pytest.mark.parametrize("loss", ["mse", "l1", "smooth_l1"])
@pytest.mark.parametrize("target", ["pixels", "normalised_pixels"])
def test_figures_do_not_depend_on_the_micro_batch(loss: str, target: str) -> None:
    clips = Clips(loss, target)
    expected = clips.figures(CLIPS)
    assert expected["loss/inside_fov"] != expected["loss/outside_fov"]
    assert expected["loss/source/a"] != expected["loss/source/b"]
    for micro_batch in (4, 2):
        assert clips.figures(micro_batch) == pytest.approx(expected, rel=1e-5)


def test_the_sources_make_up_the_loss() -> None:
    found = Clips("mse", "pixels").figures(2)
    by_source = (found["loss/source/a"] + found["loss/source/b"]) / 2
    assert by_source == pytest.approx(found["loss/train"], rel=1e-5)


def test_a_micro_batch_without_a_finite_loss_is_in_no_figure() -> None:
    clips = Clips("mse", "pixels")
    clips.prediction[-1, -1, -1] = math.nan
    assert clips.figures(2) == pytest.approx(clips.figures(2, CLIPS - 2), rel=1e-5)


def test_every_interval_begins_afresh() -> None:
    clips = Clips("mse", "pixels")
    parts, found = clips.parts(), []
    for micro_batch in (slice(0, 2), slice(4, 6)):
        clips.add(parts, micro_batch)
        found.append(parts.close_interval())
    dark, bright = found
    assert bright["loss/constant_baseline"] > 1.5 * dark["loss/constant_baseline"]
    assert math.isnan(bright["loss/source/b"])


@pytest.mark.parametrize(
    ("target", "backend"),
    [
        ("normalised_pixels", "aot_eager"),  # the same graph, without a C++ compiler
        *(
            pytest.param(target, "inductor", marks=pytest.mark.soak)
            for target in ("pixels", "normalised_pixels", "normalised_patches")
        ),
    ],
)
def test_the_compiled_loss_is_one_graph_with_the_same_values(target: str, backend: str) -> None:
    program = Path(__file__).parent / "compiled_loss_program.py"  # without types checked
    actual = json.loads(run_python(str(program), target, backend)[-1])
    assert max(actual["distances"]) < 1e-5
    assert (actual["graphs"], actual["breaks"]) == (1, 0)

"""Complete runs: their files, and that the same run is made by any number of processes."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import parse_metadata
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import complete_checkpoints, open_checkpoint
from launch.recipe import dump_recipe, validate
from pretrain.checkpoint.formats import read_autoencoder
from pretrain.cli import main
from pretrain.config import PretrainConfig
from tests.conftest import call_program, modes_against_umask
from tests.pretrain.runs import log_of, loss_figures, losses, run_alone, words


def test_a_run_writes_all_its_files(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "manifest.csv",
        "log.jsonl",
        "tensorboard",
        "checkpoints",
        "encoder.safetensors",
        "reconstruction.png",
    }
    config = validate(PretrainConfig, yaml.safe_load((finished / "config.yaml").read_text()))
    assert dump_recipe(config) == (finished / "config.yaml").read_text()
    assert [line["step"] for line in log_of(finished)] == [1, 2, 3, 4, 5, 6]
    start = json.loads((finished / "environment.json").read_text())[0]
    assert start["from_step"] == 0
    assert len(start["manifest_sha256"]) == 64
    assert not list(finished.rglob("*.tmp"))
    sheet = np.asarray(Image.open(finished / "reconstruction.png"))
    assert sheet.std() > 20


def test_all_files_of_a_run_follow_the_umask(finished: Path) -> None:
    """Of the group that shares the folder, another one can resume the run."""
    assert (finished / ".lock").is_file()
    wrong = modes_against_umask(finished)
    assert wrong.keys() <= {"output.txt"}, wrong  # the fixture's own file


def test_the_encoder_of_a_run_can_be_used(finished: Path) -> None:
    file = finished / "encoder.safetensors"
    encoder = load_encoder(file).encoder
    assert parse_metadata(file, "step") == 6
    clip = torch.randint(0, 256, (1, 4, 64, 64, 3), dtype=torch.uint8)
    everything = torch.arange(encoder.config.tokens)[None]
    assert torch.isfinite(encoder(clip, everything).tokens).all()


def test_tensorboard_has_the_metrics_of_the_log(finished: Path) -> None:
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    for name in ("loss/train", "loss/constant_baseline", "optimizer/lr", "speed/clips_per_second"):
        logged = [line[name] for line in log_of(finished)]
        assert [event.value for event in events.Scalars(name)] == pytest.approx(logged)
    assert [event.step for event in events.Images("reconstruction")] == [6]
    assert {"loss/inside_fov", "optimizer/weight_decay", "optimizer/grad_norm"} <= set(
        events.Tags()["scalars"]
    )


def test_a_run_prints_a_summary(finished: Path) -> None:
    output = (finished / "output.txt").read_text()
    assert "batch: 8 clips per step = 2 x 1 process x 4 accumulated; peak learning rate" in output
    assert " 0.024 x 8 / 256 = 0.00075; 6 steps" in output
    assert "target: normalised_pixels, 1536 values per token; loss: mse" in output
    assert "start: step 0, random weights, seed 0" in output
    assert "complete: 6 steps; mse loss " in output


@pytest.mark.parametrize("layout", ["own", "videomae", "hf"])
def test_weights_are_exported(finished: Path, tmp_path: Path, layout: str) -> None:
    out = tmp_path / (
        "out" if layout == "hf" else "out.pth" if layout == "videomae" else "out.safetensors"
    )
    own = tmp_path / "own.safetensors"
    for arguments in (
        ["export", str(finished), str(out), "--to", layout],
        ["export", str(finished), str(own)],
    ):
        done = call_program("pretrain", partial(main, arguments))
        assert done.returncode == 0, done.stderr
        wrote, *processor = done.stdout.splitlines()
        assert wrote.startswith(f"{arguments[2]}: encoder and decoder of step 6 in format ")
        assert len(processor) == arguments.count("hf")
    file = out / "model.safetensors" if layout == "hf" else out
    told = CheckpointOverrides(
        load_encoder(finished / "encoder.safetensors").encoder.config.num_heads
    )
    expected, read = read_autoencoder(own).tensors, read_autoencoder(file, told).tensors
    assert expected.keys() == read.keys()
    assert all(torch.equal(expected[name], read[name]) for name in expected)


def assert_same_figures(run: Path, expected: Path) -> None:
    """The losses, and what they are compared with: the constant baseline and the parts."""
    found, wanted = loss_figures(run), loss_figures(expected)
    assert found.keys() == wanted.keys() >= {"loss/constant_baseline", "loss/inside_fov"}
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, abs=1e-5, rel=0), name


@pytest.mark.parametrize(
    "stage", [*(pytest.param(stage, marks=pytest.mark.soak) for stage in (0, 1, 2)), 3]
)
def test_two_ranks_at_any_stage_give_the_losses_of_one_process(
    finished: Path, operations: Path, tmp_path: Path, together, stage: int
) -> None:
    run = tmp_path / "run"
    command = ["-m", "pretrain", *words(operations, run, f"engine.zero_stage={stage}")]
    for outcome in together(command, 2):
        assert outcome.returncode == 0, outcome.stderr
    assert_same_figures(run, finished)
    one, two = (load_encoder(each / "encoder.safetensors").encoder for each in (finished, run))
    torch.testing.assert_close(two.state_dict(), one.state_dict(), atol=1e-4, rtol=1e-3)


def test_drop_path_depends_on_the_micro_batch_not_on_the_process(
    operations: Path, tmp_path: Path, together
) -> None:
    given = ("encoder.drop_path=0.5", "schedule.steps=2", "log.feature_clips=2")
    one, two, without = (tmp_path / name for name in ("one", "two", "without"))
    for outcome in together(["-m", "pretrain", *words(operations, two, *given)], 2):
        assert outcome.returncode == 0, outcome.stderr
    for run, drop_path in ((one, 0.5), (without, 0)):
        done = run_alone(words(operations, run, *given, f"encoder.drop_path={drop_path}"))
        assert done.returncode == 0, done.stderr
    norms = {
        run.name: [line["optimizer/grad_norm"] for line in log_of(run)]
        for run in (one, two, without)
    }
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    assert norms["two"] == pytest.approx(norms["one"], rel=1e-4)
    assert norms["without"] != pytest.approx(norms["one"], rel=1e-3)


def test_workers_and_micro_batches_change_nothing(
    finished: Path, operations: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = run_alone(words(operations, run, "data.workers=2", "batch.micro_batch_size=8"))
    assert done.returncode == 0, done.stderr
    assert_same_figures(run, finished)


def test_a_complete_run_that_is_restarted_ends_at_once(
    finished: Path, operations: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    done = run_alone(words(operations, run))
    assert done.returncode == 0, done.stderr
    assert "is the last step of this run; raise schedule.steps" in done.stdout
    assert losses(run) == losses(finished)


def test_a_renamed_checkpoint_is_not_the_end_of_a_run(
    finished: Path, operations: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "checkpoints/step-0000003").rename(run / "checkpoints/step-0000008")
    done = run_alone(words(operations, run, "schedule.steps=8"))
    assert done.returncode == 0, done.stderr
    assert "step-0000006; 2 steps left" in done.stdout
    assert parse_metadata(run / "encoder.safetensors", "step") == 8
    weights = {each.step: read_weights(each) for each in map(open_checkpoint, checkpoints(run))}
    tensor = "blocks.0.mlp.fc1.weight"
    saved = load_file(run / "encoder.safetensors")[tensor]
    assert torch.equal(saved, weights[8][f"encoder.{tensor}"])
    assert not torch.equal(saved, weights[6][f"encoder.{tensor}"])


def checkpoints(run: Path) -> list[Path]:
    return complete_checkpoints(run / "checkpoints")


def test_a_longer_schedule_continues_a_complete_run(
    finished: Path, operations: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    done = run_alone(words(operations, run, "schedule.steps=8"))
    assert done.returncode == 0, done.stderr
    assert "changed: schedule.steps was 6, is 8" in done.stdout
    assert [line["step"] for line in log_of(run)] == list(range(1, 9))
    assert losses(run)[:6] == losses(finished)


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=pytest.mark.soak) for stage in (1, 2, 3)]
)
def test_bf16_resumes_to_the_same_bits(
    finished: Path, operations: Path, tmp_path: Path, stage: int
) -> None:
    run = tmp_path / "run"
    command = words(operations, run, "engine.precision=bf16", f"engine.zero_stage={stage}")
    done = run_alone(command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("opening", "model:")), "DeepSpeed speaks before the run does"
    whole = losses(run)
    assert whole == pytest.approx(losses(finished), abs=5e-3)
    shutil.rmtree(run / "checkpoints/step-0000006")
    assert run_alone(command).returncode == 0
    assert losses(run) == whole


@pytest.mark.soak
@pytest.mark.parametrize("stage", [0, 2])
def test_compiled_blocks_give_the_same_losses_and_may_be_turned_off(
    finished: Path, operations: Path, tmp_path: Path, stage: int
) -> None:
    run = tmp_path / "run"
    command = words(operations, run, f"engine.zero_stage={stage}", "engine.compile=true")
    done = run_alone(command)
    assert done.returncode == 0, done.stderr
    assert losses(run) == pytest.approx(losses(finished), abs=1e-5)
    shutil.rmtree(run / "checkpoints/step-0000006")
    done = run_alone([*command, "engine.compile=false"])
    assert done.returncode == 0, done.stderr
    assert losses(run) == pytest.approx(losses(finished), abs=1e-5)
    refused = run_alone([*command, "engine.zero_stage=3"])
    assert refused.returncode == 2 and "zero_stage 2" in refused.stderr

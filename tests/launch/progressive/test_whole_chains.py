"""Chains of real pretrainings: stopped, killed and resumed, they equal the uninterrupted chain."""

import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import HANG_LIMIT, wait_until
from tests.launch.progressive.chains import (
    chain_lines,
    command,
    record_of,
    run,
    start,
    two_pretrainings,
    wait_until_ended,
    write,
)
from tests.pretrain.runs import losses
from video.synthetic import synthesize

pytestmark = pytest.mark.soak
LONGER = {"schedule": {"steps": 12, "warmup": 0.2}, "checkpoint.every_steps": 4}
STEP = "checkpoints/step-0000004"


@pytest.fixture(scope="module")
def whole(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a complete chain, whose folder is beside it; tests do not change it."""
    chain = two_pretrainings(tmp_path_factory.mktemp("whole") / "whole.yaml", operations, **LONGER)
    done = run(chain)
    assert done.returncode == 0, done.stdout + done.stderr
    return chain


def require_equal(chain: Path, whole: Path) -> None:
    ours, unbroken = chain.with_suffix(""), whole.with_suffix("")
    for stage in ("first", "second"):
        assert losses(ours / stage) == losses(unbroken / stage)
    for stage in ("first", "second", "third"):
        record = record_of(ours, stage)
        assert record["exit_status"] == 0
        assert record["inputs"].keys() == record_of(unbroken, stage)["inputs"].keys()
    assert (ours / "third/weights.safetensors").is_file()


def test_the_second_stage_begins_from_the_first(whole: Path) -> None:
    folder = whole.with_suffix("")
    output = (folder / "second.log").read_text()
    assert f"start: step 0, weights from {folder / 'first'} (" in output
    assert losses(folder / "first") != losses(folder / "second")
    left = record_of(folder, "first")["outputs"][""]
    assert record_of(folder, "second")["inputs"] == {"first": left}


def test_a_complete_chain_is_skipped(whole: Path) -> None:
    before = (whole.with_suffix("") / "chain.json").read_bytes()
    done = run(whole)
    assert done.returncode == 0
    assert [line.split(",")[0] for line in chain_lines(done.stdout)[1:]] == [
        f"{stage} is skipped" for stage in ("first", "second", "third")
    ]
    assert (whole.with_suffix("") / "chain.json").read_bytes() == before


def test_a_chain_that_was_stopped_and_killed_equals_the_uninterrupted_one(
    operations: Path, tmp_path: Path, whole: Path
) -> None:
    chain = two_pretrainings(tmp_path / "broken.yaml", operations, **LONGER)
    folder = tmp_path / "broken"
    started = start(command(chain))
    wait_until((folder / "first" / STEP).is_dir, started)
    started.send_signal(signal.SIGTERM)
    out, err = started.communicate(timeout=HANG_LIMIT)
    assert started.returncode == 75
    assert err.startswith("launch: first has saved and stopped after ") and err.count("\n") == 1
    assert "pretrain: stopped by SIGTERM after step " in out
    assert record_of(folder, "first")["exit_status"] == 75

    started = start(command(chain))
    wait_until((folder / "second" / STEP).is_dir, started)
    started.kill()
    out, _ = started.communicate()
    assert "first resumes, it had saved and stopped; " in out and "resume: weights" in out
    assert record_of(folder, "second")["exit_status"] is None
    done = run(chain)
    assert done.returncode == 0, done.stderr
    assert "second resumes, it was killed; " in done.stdout
    assert record_of(folder, "second")["starts"] == 2
    require_equal(chain, whole)


PHASES = """\
folder: {folder}
processes: 1
stages:
  pretrain:
    program: pretrain
    recipe: demo
    set:
      data: {{source: {videos}, sampling: {{frame_rate: 6.25}}, workers: 0, exclude: {videos}/kept}}
      encoder: {{embed_dim: 32, depth: 2, num_heads: 2, patch: 16, frames: 4, image_size: 64}}
      decoder: {{embed_dim: 32, depth: 1, num_heads: 2}}
      schedule: {{steps: 4, warmup: 0.2}}
  posttrain:
    program: finetune
    recipe: demo
    set: &phases
      data.set.source: {videos}
      data.set.labels: {videos}
      data.set.split: {videos}/split.yaml
      data.set.sampling: {{step_seconds: 0.5}}
      data.workers: 0
      schedule: {{steps: 4, warmup: 0.2}}
      backbone.weights: "${{pretrain}}/encoder.safetensors"
  finetune:
    program: finetune
    recipe: demo
    set:
      <<: *phases
      backbone.weights: "${{posttrain}}/classifier.safetensors"
  evaluate:
    program: finetune evaluate
    arguments: ["${{finetune}}/predictions_test.npz", --out, "${{evaluate}}"]
"""


def test_pretraining_finetuning_and_evaluation_are_a_chain(tmp_path: Path) -> None:
    videos, folder = tmp_path / "videos", tmp_path / "chain"
    videos.mkdir()
    synthesize(videos, 4, seconds=12, size=72, seed=0)
    split = "train: [operation01, operation02]\nval: [operation03]\ntest: [operation04]\n"
    write(videos / "split.yaml", split)
    write(videos / "kept", "operation03\noperation04\n")  # pretraining must not see them
    chain = write(tmp_path / "c.yaml", PHASES.format(folder=folder, videos=videos))
    done = run(chain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "evaluate/metrics.json").is_file()
    taken = f"weights {folder}/posttrain/classifier.safetensors"
    assert taken in (folder / "finetune.log").read_text()
    # what is written again is the same, and what follows is skipped
    (folder / "pretrain/encoder.safetensors").unlink()
    lines = [line.split(";")[0].split(",")[0] for line in chain_lines(run(chain).stdout)]
    assert [line for line in lines[1:] if "is complete after" not in line] == [
        "pretrain runs again: pretrain/encoder.safetensors is missing",
        "posttrain is skipped",
        "finetune is skipped",
        "evaluate is skipped",
    ]


def test_a_killed_chain_ends_its_stage_below_the_deepspeed_launcher(
    operations: Path, tmp_path: Path
) -> None:
    chain = two_pretrainings(tmp_path / "broken.yaml", operations, **LONGER)
    chain.write_text(chain.read_text().replace("processes: 1", "processes: 2"))
    folder = tmp_path / "broken"
    started = start(command(chain))
    wait_until((folder / "first" / STEP).is_dir, started)
    processes = psutil.Process(started.pid).children(recursive=True)
    assert sum(" pretrain " in " ".join(each.cmdline()) for each in processes) >= 4
    started.kill()
    started.communicate()
    wait_until_ended(processes)
    done = run(chain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first resumes, it was killed; 2 processes" in done.stdout
    starts = json.loads((folder / "first/environment.json").read_text())
    assert starts[1]["from_step"] >= 4 and starts[1]["processes"] == 2


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_several_processes_of_a_stage_are_stopped_and_resume(
    operations: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    chain = two_pretrainings(tmp_path / "broken.yaml", operations, **LONGER)
    chain.write_text(chain.read_text().replace("processes: 1", "processes: 2"))
    folder = tmp_path / "broken"
    started = start(command(chain))
    wait_until((folder / "first" / STEP).is_dir, started)
    started.send_signal(sent)
    out, err = started.communicate(timeout=HANG_LIMIT)
    assert started.returncode == 75, out + err
    assert f"pretrain: stopped by {sent.name} after step " in out
    assert "hardware: 2 processes (deepspeed)" in out
    done = run(chain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first resumes, it had saved and stopped; 2 processes" in done.stdout
    starts = json.loads((folder / "first/environment.json").read_text())
    assert starts[1]["from_step"] >= 4 and starts[1]["processes"] == 2

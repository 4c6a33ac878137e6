"""Bad input ends the run with one line and exit status 2, or is counted."""

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.safe_open import parse_metadata
from launch.entrypoint import run_program
from pretrain.cli import main
from tests.conftest import Outcome
from tests.pretrain.runs import SMALL, end, log_of, run_alone, start_until, words
from tests.video.conftest import write, write_sound
from video.fingerprint import content_digest

Refuse = Callable[..., str]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Refuse]:
    """Runs the program in this process; returns the one line that it ends with."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    threads = torch.get_num_threads()

    def run(arguments: list[str]) -> str:
        status = run_program("pretrain", lambda: main(arguments))
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        err = capsys.readouterr().err
        assert status == 2, err
        assert err.startswith("pretrain: ")
        assert err.count("\n") == 1, err
        return err

    yield run
    torch.set_num_threads(threads)


def broken(kind: str, folder: Path) -> Path:
    """A folder with one file that cannot be trained on."""
    file = folder / "videos" / "operation.mp4"
    file.parent.mkdir()
    if kind == "empty file":
        file.write_bytes(b"")
    if kind == "text":
        file.write_text("Patient 1\n" * 1000)
    if kind == "sound":
        write_sound(file)
    if kind == "cut":
        whole = write(folder / "whole.mp4", [40 * n for n in range(100)])
        file.write_bytes(whole.read_bytes()[:3000])
    if kind == "short":
        write(file, [0, 40, 80])
    if kind == "document":
        file.with_name("report.pdf").write_text("x")
    return file.parent


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nothing", "videos is empty; add video files"),
        ("document", "contains no recordings, only .pdf"),
        ("empty file", "operation.mp4: is empty (0 bytes)"),
        ("text", "when processing input): is text, not a video; remove it, or copy the video"),
        ("sound", "operation.mp4: contains no video stream"),
        ("cut", "cannot be decoded (Invalid data found when processing input): is cut: copy it"),
        ("short", "operation.mp4: is 0.12 s long, a clip 0.52 s; set data.sampling.short_videos"),
    ],
)
def test_a_source_without_usable_recordings(
    refuse: Refuse, tmp_path: Path, kind: str, message: str
) -> None:
    source = broken(kind, tmp_path)
    assert message in refuse(words(source, tmp_path / "run"))
    named = f"data={{sources: {{pig: {{path: {source}}}}}, clips_per_read: 1, workers: 0}}"
    line = refuse(["demo", f"run={tmp_path / 'run'}", *SMALL, named])
    assert line.startswith(f"pretrain: data.sources.pig.path: {source}")
    assert message in line


def test_a_clip_that_is_too_long_names_the_sampling_of_its_source(
    refuse: Refuse, tmp_path: Path
) -> None:
    source = f"{{path: {broken('short', tmp_path)}, sampling: {{frame_rate: 5}}}}"
    named = f"data={{sources: {{pig: {source}}}, clips_per_read: 1, workers: 0}}"
    line = refuse(["demo", f"run={tmp_path / 'run'}", *SMALL, named])
    assert "; set data.sources.pig.sampling.short_videos to clamp or loop, or raise data" in line


def test_a_source_that_does_not_exist(refuse: Refuse, tmp_path: Path) -> None:
    line = refuse(words(tmp_path / "x", tmp_path / "run"))
    assert line.startswith(f"pretrain: data.source: {tmp_path / 'x'} does not exist; give a folder")
    named = "data={sources: {pig: {path: nowhere}}, clips_per_read: 1, workers: 0}"
    line = refuse(["demo", f"run={tmp_path / 'run'}", *SMALL, named])
    assert line.startswith("pretrain: data.sources.pig.path: nowhere does not exist; give a folder")


def test_a_micro_batch_that_does_not_fit_is_refused_before_it_is_tried(
    refuse: Refuse, operations: Path, tmp_path: Path
) -> None:
    clips = 2**22
    batch = f"batch={{global_batch_size: {clips}, micro_batch_size: {clips}}}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = refuse(words(operations, tmp_path / "run", batch))
    assert f"batch.micro_batch_size: {clips} needs about" in line
    assert "GiB are free (" in line and "; set batch.micro_batch_size=" in line
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB


def test_one_broken_recording_is_counted_and_reported(operations: Path, tmp_path: Path) -> None:
    source = shutil.copytree(operations, tmp_path / "source")
    (source / "broken.mp4").write_bytes(b"")
    run = tmp_path / "run"
    done = run_alone(words(source, run, "schedule.steps=1"))
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in (run / "unreadable.jsonl").read_text().splitlines()]
    assert [(Path(e["path"]).name, e["during"]) for e in entries] == [("broken.mp4", "recordings")]
    assert "1 of 3 recordings are unusable, see " in done.stdout


def test_too_many_broken_recordings_end_the_run(
    refuse: Refuse, operations: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(operations, tmp_path / "source")
    for name in ("a", "b"):
        (source / f"{name}.mp4").write_bytes(b"")
    line = refuse(words(source, tmp_path / "run"))
    assert "2 of 4 recordings failed, more than data.max_unreadable 0.01 allows" in line
    assert len((tmp_path / "run/unreadable.jsonl").read_text().splitlines()) == 2


@pytest.mark.soak
def test_recordings_that_break_while_training_are_replaced_up_to_the_limit(
    operations: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(operations, tmp_path / "source")
    whole = (source / "operation01.mp4").read_bytes()
    for number in (3, 4):
        shutil.copyfile(source / "operation02.mp4", source / f"operation0{number}.mp4")
    every = [path.name for path in source.glob("*.mp4")]

    def broken_while_training(run: Path, limit: float, *names: str) -> Outcome:
        overrides = ("schedule.steps=60", "data.workers=1", f"data.max_unreadable={limit}")
        started = start_until(run / "log.jsonl", words(source, run, *overrides), 1)
        for name in names:
            (source / name).write_bytes(b"")
        (done,) = end(started)
        (source / "operation01.mp4").write_bytes(whole)
        return done

    run = tmp_path / "run"
    done = broken_while_training(run, 0.9, "operation01.mp4")
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in (run / "unreadable.jsonl").read_text().splitlines()]
    assert {Path(entry["path"]).name for entry in entries} == {"operation01.mp4"}
    assert {entry["during"] for entry in entries} == {"reads"}
    assert log_of(run)[-1]["data/unreadable"] == len(entries) > 0
    assert "operation01.mp4) while the run trained; encoder.safetensors lists both" in done.stdout
    known = parse_metadata(run / "encoder.safetensors", "recordings")
    contents = {Path(entry["path"]).name: entry["content"] for entry in known}
    assert len(known) == len(contents) + 1
    assert contents["operation01.mp4"] != content_digest(str(source / "operation01.mp4"))
    done = broken_while_training(tmp_path / "strict", 0.01, "operation01.mp4")
    assert done.returncode == 2
    assert "reads failed, more than data.max_unreadable 0.01 allows" in done.stderr
    done = broken_while_training(tmp_path / "all", 1, *every)
    assert done.returncode == 2
    assert "reads in a row failed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.sorce=/x", "data.sorce: no such key; did you mean data.source?"),
        ("batch.global_batch_size=many", "batch.global_batch_size: 'many'"),
        ("masking.encoder.ratio=1.2", "masking.encoder.ratio: 1.2"),
        ("masking.decoder.ratio=0.9", "0.25, 0.5 or 0.75"),
        ("encoder.image_size=70", "image_size 70 (rows) is not divisible by patch_size 16"),
        ("encoder.num_heads=5", "num_heads 5 does not divide embed_dim 32"),
        (
            "batch.global_batch_size=7",
            "batch.global_batch_size: 7 is not a multiple of batch.micro_batch_size 2 x 1",
        ),
        ("nonsense", "'nonsense': an override is written key.path=value"),
    ],
)
def test_a_wrong_configuration(
    refuse: Refuse, operations: Path, tmp_path: Path, override: str, message: str
) -> None:
    assert message in refuse(words(operations, tmp_path / "run", override))
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_does_not_exist(refuse: Refuse) -> None:
    assert "surgery_base" in refuse(["surgery_bse"])


def test_a_checkpoint_of_another_size(refuse: Refuse, finished: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    assert run_alone(["export", str(finished), str(own)]).returncode == 0
    arguments = words(finished, tmp_path / "run", f"init_from={own}", "encoder.embed_dim=64")
    arguments[1] = f"data.source={finished / 'manifest.csv'}"
    line = refuse(arguments)
    assert str(own) in line
    assert "the model needs" in line


def test_weights_that_are_no_autoencoder(
    refuse: Refuse, finished: Path, operations: Path, tmp_path: Path
) -> None:
    arguments = words(operations, tmp_path / "run", f"init_from={finished / 'log.jsonl'}")
    assert "log.jsonl" in refuse(arguments)
    arguments = words(operations, tmp_path / "run", f"init_from={tmp_path / 'gone.pth'}")
    assert "gone.pth" in refuse(arguments)


def test_a_run_folder_of_another_configuration(
    refuse: Refuse, finished: Path, operations: Path
) -> None:
    before = (finished / "config.yaml").read_bytes()
    line = refuse(words(operations, finished, "seed=1", "optimizer.base_lr=0.1"))
    assert "holds a run of another configuration" in line
    assert "seed was 0, is 1" in line
    assert (finished / "config.yaml").read_bytes() == before
    line = refuse(words(operations, finished, "checkpoint.resume=never"))
    assert "already holds a run" in line


def test_a_folder_that_cannot_be_written(refuse: Refuse, operations: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refuse(words(operations, tmp_path / "file/run"))
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "cannot be written" in refuse(words(operations, tmp_path / "locked/run"))


@pytest.mark.skipif(torch.ops.mkldnn._is_mkldnn_fp16_supported(), reason="this CPU has fp16")
def test_a_precision_that_the_device_lacks(
    refuse: Refuse, operations: Path, tmp_path: Path
) -> None:
    line = refuse(words(operations, tmp_path / "run", "engine.precision=fp16"))
    assert "engine.precision: this device does not support fp16; set it to fp32 or bf16" in line


def test_a_loss_that_is_not_finite(operations: Path, tmp_path: Path, together) -> None:
    run = tmp_path / "run"
    broken = (
        "optimizer.base_lr=1e30",
        "engine.clip_grad_norm=null",
        "engine.max_nonfinite_steps=2",
    )
    # the first step has learning rate 0, the second one breaks the weights
    saves = ("checkpoint.every_steps=1", "schedule={steps: 9, warmup: 0.2}")
    outcomes = together(["-m", "pretrain", *words(operations, run, *broken, *saves)], 2)
    assert [outcome.returncode for outcome in outcomes] == [2, 2]
    first, other = (outcome.stderr for outcome in outcomes)
    assert first.startswith("pretrain: step 5: loss or gradient is not finite, on clips of ")
    assert (
        "operation0" in first and "3 such steps are more than engine.max_nonfinite_steps 2" in first
    )
    assert f"the checkpoint before is {run / 'checkpoints/step-0000002'};" in first
    assert first.count("\n") == 1
    assert other == ""
    assert outcomes[0].stdout.count("; it was skipped") == 3
    names = sorted(path.name for path in (run / "checkpoints").glob("step-*"))
    assert names == ["step-0000001", "step-0000002"], "a broken state was saved"


@pytest.mark.parametrize("what", ["source", "run", "init_from"])
def test_all_processes_end_together_and_rank_0_prints_the_error(
    operations: Path, tmp_path: Path, together, what: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    source = tmp_path / "empty" if what == "source" else operations
    run = tmp_path / "file/run" if what == "run" else tmp_path / "run"
    weights = f"init_from={tmp_path / 'gone.pth'}" if what == "init_from" else "init_from=null"
    outcomes = together(["-m", "pretrain", *words(source, run, weights)], 2)
    assert [outcome.returncode for outcome in outcomes] == [2, 2]
    assert [outcome.stderr.count("\n") for outcome in outcomes] == [1, 0]

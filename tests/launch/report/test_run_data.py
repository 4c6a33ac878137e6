import json
import os
from pathlib import Path

import pytest
from PIL import Image

from launch.errors import ConfigError
from launch.report.headline import key_values
from launch.report.images import read_images
from launch.report.run_data import read_runs, short_names
from launch.report.start_history import package_changes, recipe_name
from tests.launch.report.run_folders import (
    FINETUNE,
    PRETRAIN,
    STEPS,
    lines_of,
    read_run,
    start,
    write_encoder,
    write_evaluation,
    write_image,
    write_run,
)


def test_a_folder_that_is_not_a_run_is_refused_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match=r"is not a run, .* give the folder of run="):
        read_runs([tmp_path])
    write_run(tmp_path / "pretrain")
    with pytest.raises(ConfigError, match=r"give the runs in it: .*pretrain"):
        read_runs([tmp_path])


def test_a_run_given_twice_or_too_many_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    with pytest.raises(ConfigError, match="given twice"):
        read_runs([run, tmp_path / "b" / ".." / "a"])
    runs = [write_run(tmp_path / str(i)) for i in range(8)]
    with pytest.raises(ConfigError, match="give at most 7"):
        read_runs(runs)


def test_runs_with_the_same_name_are_distinguished_by_parent_folders() -> None:
    paths = [Path("/x/a/run"), Path("/x/b/run"), Path("/x/other")]
    assert short_names(paths) == ["a/run", "b/run", "other"]
    assert short_names([Path("/")]) == ["/"]


def test_a_complete_run_has_no_problems(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", lines=lines_of(STEPS)))
    assert run.problems == ()
    assert (run.kind, run.status.step, run.status.planned_steps) == ("pretraining", 600, 600)
    assert recipe_name(run.starts) == "demo"
    assert run.starts[0].command == "python -m pretrain demo data.source=/videos"
    assert run.status.training_seconds == pytest.approx(600 * 16 / 64)


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "log.jsonl"])
def test_a_missing_file_is_reported(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    (folder / name).unlink()
    run = read_run(folder)
    assert len(run.problems) == 1 and run.problems[0].startswith(f"{name} is missing")
    assert run.kind == "pretraining" if name != "config.yaml" else "run"


DAMAGED = {
    "config.yaml": (
        b"a: [1",
        b"- 1\n",
        b"\xff\xfe\x00",
        b"{" * 1500,
        b"a: !!python/object:os.x {}",
    ),
    "environment.json": (b"[{", b'{"a": 1}', b"[1, null]", b"[" * 100_000, b"\xff"),
    "manifest.csv": (b'path,seconds\n"' + b"x" * 200_000, b"a,b\n1,2\n", b"path,seconds\nx,abc\n"),
    "unreadable.jsonl": (b"{", b"[]\n", b"\x00\n"),
    "evaluation_test/metrics.json": (b"{", b"[]"),
    "reconstruction.png": (b"", b"\x89PNG\r\n\x1a\n", b"<svg/>"),
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, each) for name, contents in DAMAGED.items() for each in contents]
)
def test_a_damaged_file_is_reported_and_affects_only_its_part(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    run = read_run(folder)
    assert len(run.problems) >= 1
    assert all(name in problem for problem in run.problems)
    assert len(run.curves["loss/train"].steps) == len(STEPS)
    assert key_values(run)


def test_a_short_file_of_endless_aliases_ends(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    levels = [f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}" for i in range(1, 40)]
    (folder / "config.yaml").write_text("\n".join(["a0: &a0 {x: 1}", *levels]))
    run = read_run(folder)
    assert any("anchors expand to more than" in problem for problem in run.problems)


def test_starts_and_what_changed_between_them(tmp_path: Path) -> None:
    starts = [start(), start(200), start(400, packages={"torch": "2.7.0"})]
    run = read_run(write_run(tmp_path / "run", starts=starts))
    assert run.resumed_at == (200, 400)
    changes = package_changes(run.starts)
    assert changes == ["torch 2.6.0 became 2.7.0 at the start of 2026-01-02 03:04:05"]


def test_data_is_counted_by_source_and_by_reason(tmp_path: Path) -> None:
    rows = [f"v{i}.mp4,pyav,25,90000,3600,640,480,{'ab'[i % 2]}" for i in range(1500)]
    folder = write_run(tmp_path / "run", recordings=rows)
    failures = [
        {"path": "x", "reason": "is 1.20 s long, a clip 2.56 s", "during": "recordings"},
        {"path": "y", "reason": "is 0.9 s long, a clip 2.56 s", "during": "recordings"},
        {"path": "z", "reason": "no frame", "during": "reads"},
    ]
    text = "".join(json.dumps(each) + "\n" for each in failures)
    (folder / "unreadable.jsonl").write_text(text + '{"path": "half')
    data = read_run(folder).data
    assert (data.recordings, data.hours, len(data.rows)) == (1500, 1500, 1000)
    assert [(s.name, s.recordings) for s in data.sources] == [("a", 750), ("b", 750)]
    assert data.failures[0][1:] == ("is # s long, a clip # s", 2, "x")
    assert data.failure_counts == {"recordings": 2, "reads": 1}


def test_what_is_too_much_for_a_page_is_reported(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    reasons = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(60)]
    lines = [json.dumps({"path": "x", "reason": each, "during": "reads"}) for each in reasons]
    (folder / "unreadable.jsonl").write_text("\n".join(lines) + "\n")
    write_evaluation(folder, "test", 0.5)
    metrics = folder / "evaluation_test" / "metrics.json"
    values = json.loads(metrics.read_text())
    values["phases"]["strict"]["by_recording"] = {str(i): {"accuracy": 0.5} for i in range(201)}
    metrics.write_text(json.dumps(values))
    run = read_run(folder)
    assert run.data.failure_counts == {"reads": 60} and len(run.data.failures) == 50
    assert run.problems[1:] == (
        "unreadable.jsonl: 50 of 60 reasons are shown",
        "evaluation_test/metrics.json: the first 200 recordings are shown",
    )


def test_when_a_pretraining_is_complete(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    assert not read_run(folder).status.complete
    write_encoder(folder, 600)
    assert read_run(folder).status.complete
    write_encoder(folder, 400)  # of before it was made longer
    assert not read_run(folder).status.complete
    write_run(folder, lines=lines_of(range(20, 401, 20)))
    assert not read_run(folder).status.complete  # 600 are planned


def test_when_a_finetuning_is_complete(tmp_path: Path) -> None:
    lines = [{"step": 50, "loss/train": 1.5, "val/top-1": 0.3}]
    folder = write_run(tmp_path / "run", FINETUNE, lines)
    (folder / "classifier.safetensors").write_bytes(b"")  # the best one so far
    assert not read_run(folder).status.complete
    write_evaluation(folder, "test", 0.32)
    run = read_run(folder)
    assert run.status.complete and run.kind == "finetuning"
    assert run.results[0].metrics == {"top-1": 0.32, "phase accuracy": 0.32, "phase jaccard": 0.124}
    assert run.results[0].baselines == {"majority class": 0.23, "chance": 0.1667}
    values = {each.name: each.value for each in key_values(run)}
    assert (values["Best top-1, val"], values["top-1, test"]) == ("0.300", "0.320")
    os.utime(folder / "predictions_test.npz", (0, 0))  # it has gone on since
    assert not read_run(folder).status.complete


def test_images_of_the_run_and_of_no_other(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for name in (
        "a.png",
        "reconstruction.png",
        "evaluation_test/confusion.png",
        "checkpoints/no.png",
        "inner/no.png",
    ):
        write_image(folder / name)
    write_run(folder / "inner")
    names = [image.name for image in read_run(folder).images]
    assert names == ["reconstruction.png", "a.png", "evaluation_test/confusion.png"]


def test_a_truncated_image_is_reported(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", 64)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    warnings: list[str] = []
    assert read_images(tmp_path, warnings.append) == ()
    assert "a.png cannot be shown" in warnings[0]


def test_a_large_image_is_reduced_and_says_so(tmp_path: Path) -> None:
    write_image(tmp_path / "noise.png", 1700)
    Image.new("1", (9000, 5000)).save(tmp_path / "wide.png")  # few bytes, many pixels
    warnings: list[str] = []
    noise, wide = read_images(tmp_path, warnings.append)
    assert "reduced" in noise.note and "1700x1700, 8 MiB" in noise.note
    assert "9000x5000" in wide.note
    assert noise.media_type == wide.media_type == "image/jpeg"
    assert max(len(noise.content), len(wide.content)) < 4 * 2**20
    assert warnings == []


def test_an_image_that_would_fill_the_memory_is_reported(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    warnings: list[str] = []
    assert read_images(tmp_path, warnings.append) == ()
    assert "bomb.png cannot be shown" in warnings[0]


def test_a_configuration_without_batch_has_no_training_time(tmp_path: Path) -> None:
    config = {key: value for key, value in PRETRAIN.items() if key != "batch"}
    run = read_run(write_run(tmp_path / "run", config, lines_of(STEPS)))
    assert run.status.training_seconds is None
    assert [each.name for each in key_values(run) if each.name in ("Time", "Training time")] == [
        "Time"
    ]


def test_a_run_with_epochs_has_the_planned_steps_of_its_last_start(tmp_path: Path) -> None:
    config = {**PRETRAIN, "schedule": {"steps": None, "epochs": 3.0, "warmup": 0.1}}
    starts = [start(to_step=900), start(300, to_step=1200)]
    (run,) = read_runs([write_run(tmp_path / "run", config, lines_of([300]), starts)])
    assert (run.status.step, run.status.planned_steps) == (300, 1200)
    (old,) = read_runs([write_run(tmp_path / "old", config, lines_of([300]))])
    assert old.status.planned_steps is None and old.status.planned_epochs == 3


def test_arguments_with_spaces_are_quoted_and_are_not_the_recipe(tmp_path: Path) -> None:
    words = ["/code/pretrain/__main__.py", "probe={source: a, k: 3}", "small", "run=r"]
    (run,) = read_runs([write_run(tmp_path / "run", starts=[start(command=words)])])
    assert recipe_name(run.starts) == "small"
    assert run.starts[0].command == "python -m pretrain 'probe={source: a, k: 3}' small run=r"

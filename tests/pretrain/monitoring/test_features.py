"""Choice of the probe clips, their shares per rank, and that monitoring has no side effects."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.monitoring.features import ProbeShare, feature_metrics
from pretrain.monitoring.probe_clips import ProbeClips, labelled_clips, training_clips
from pretrain.monitoring.read_clips import ClipShare, read_share
from pretrain.sources import Sources, plans_of
from tests.pretrain.runs import feature_log_of, losses, run_alone, words
from video.clip_sampler import ClipSampler
from video.labels.segments import LabelError
from video.open_source import open_source
from video.progress import show_progress

PROBE = "knn_probe={{source: {0}, labels: {0}}}"


def config_of(operations: Path, run: Path, *overrides: str) -> PretrainConfig:
    probe = PROBE.format(operations)
    return load_recipe(PretrainConfig, *_split(words(operations, run, probe, *overrides)), RECIPES)


def _split(given: list[str]) -> tuple[str, list[str]]:
    return given[0], given[1:]


def labelled_of(config: PretrainConfig) -> ProbeClips:
    assert config.knn_probe is not None
    return labelled_clips(config, config.knn_probe)


def test_labelled_clips_are_evenly_spaced(operations: Path, tmp_path: Path) -> None:
    config = config_of(operations, tmp_path, "log.feature_clips=6")
    found = labelled_of(config)
    assert len(found.times) == len(found.recording_index) == len(found.labels or ()) == 6
    assert len(set(found.recording_index)) > 1 and len(found.classes) > 1
    classes = {}
    for recording in found.recordings:
        file = Path(recording.path).with_name(Path(recording.path).stem + "-phase.txt")
        classes[recording.path] = [
            line.split("\t")[1] for line in file.read_text().splitlines()[1:]
        ]
    for index, times, label in zip(
        found.recording_index, found.times, found.labels or (), strict=True
    ):
        recording = found.recordings[index]
        assert len(times) == config.encoder.num_frames and list(times) == sorted(times)
        assert times[0] >= 0 and times[-1] < recording.seconds
        middle = times[config.encoder.num_frames // 2]
        assert classes[recording.path][round(middle * 25)] == found.classes[label]


def test_a_probe_of_one_recording_is_refused(operations: Path, tmp_path: Path) -> None:
    config = config_of(operations, tmp_path)
    assert config.knn_probe is not None
    one = sorted(operations.glob("*.mp4"))[0]
    with pytest.raises(LabelError, match="give two or more of each"):
        labelled_clips(config, replace(config.knn_probe, source=str(one)))
    with pytest.raises(LabelError, match=f"{one.stem}: has no labels; looked for"):
        labelled_clips(config, replace(config.knn_probe, labels=tmp_path))


def test_without_a_probe_clips_are_of_the_training_recordings(
    operations: Path, tmp_path: Path
) -> None:
    config = config_of(operations, tmp_path, "knn_probe=null", "log.feature_clips=5")
    recordings = open_source(operations, "pyav", 1.0, 60.0, show_progress).recordings
    plans = plans_of(config.data)
    sampler = ClipSampler(recordings, config.encoder.num_frames, plans)
    sources = Sources(recordings, sampler, plans, "", 0)
    found = training_clips(config, sources)
    assert found.labels is None and len(found.times) == 5
    assert found == training_clips(config, sources)


def test_ranks_split_the_clips(operations: Path, tmp_path: Path) -> None:
    config = config_of(operations, tmp_path, "log.feature_clips=5")
    found, size = labelled_of(config), config.encoder.image_size
    whole = read_share(found, Processes(), size, 2, 60.0)
    parts = [read_share(found, Processes(rank, 2), size, 2, 60.0) for rank in (0, 1)]
    assert whole.numbers == [0, 1, 2, 3, 4]
    assert [part.numbers for part in parts] == [[0, 2, 4], [1, 3]]
    assert len(parts[0].clips) == len(parts[1].clips) == 3
    for part in parts:
        for place, number in enumerate(part.numbers):
            assert torch.equal(part.clips[place], whole.clips[number])


def test_an_unreadable_clip_is_a_failure(operations: Path, tmp_path: Path) -> None:
    config = config_of(operations, tmp_path, "log.feature_clips=4")
    found = labelled_of(config)
    gone = [replace(found.recordings[0], path=str(tmp_path / "gone.mp4")), *found.recordings[1:]]
    share = read_share(found._replace(recordings=gone), Processes(), (64, 64), 2, 60.0)
    lost = [number for number, index in enumerate(found.recording_index) if index == 0]
    assert lost and not set(share.numbers) & set(lost)
    assert len(share.numbers) == 4 - len(lost) and "gone.mp4" in str(share.failures[0])


def test_clips_of_one_recording_have_no_k_nn_accuracy(operations: Path, tmp_path: Path) -> None:
    config = config_of(operations, tmp_path, "log.feature_clips=6")
    found = labelled_of(config)
    share = ProbeShare(found, ClipShare([], torch.empty(0), []))
    rows = {number: torch.randn(8, generator=torch.manual_seed(number)) for number in range(6)}
    assert "probe/knn" in feature_metrics(share, rows, config)
    alone = {
        number: row
        for number, row in rows.items()
        if found.recording_index[number] == found.recording_index[0]
    }
    assert set(feature_metrics(share, alone, config)) == {"features/rankme", "features/std"}


def test_a_run_logs_metrics_of_its_features(operations: Path, tmp_path: Path) -> None:
    monitored = (
        "log={every_steps: 1, features_every_steps: 3, images_every_steps: 2, feature_clips: 6}"
    )
    drop = "encoder.drop_path=0.2"
    probe = PROBE.format(operations)
    done = run_alone(words(operations, tmp_path / "monitored", monitored, probe, drop))
    assert done.returncode == 0, done.stderr
    metrics = {line["step"]: line for line in feature_log_of(tmp_path / "monitored")}
    assert list(metrics) == [1, 3, 6]
    for line in metrics.values():
        assert 1 <= line["features/rankme"] <= 6 and 0 < line["features/std"] < 1
        assert 0 <= line["probe/knn"] <= 1 and line["probe/chance"] < line["probe/majority"]
    assert "features at step 3: RankMe" in done.stdout and "k-NN accuracy" in done.stdout
    plain = run_alone(words(operations, tmp_path / "plain", drop, "log.feature_clips=2"))
    assert plain.returncode == 0, plain.stderr
    assert losses(tmp_path / "plain") == losses(tmp_path / "monitored"), (
        "monitoring changed the training"
    )


def test_a_probe_without_labels_ends_the_run_in_one_line(operations: Path, tmp_path: Path) -> None:
    probe = f"knn_probe={{source: {operations}, labels: {tmp_path}}}"
    done = run_alone(words(operations, tmp_path / "run", probe))
    assert done.returncode == 2
    assert "has no labels; looked for" in done.stderr.strip().splitlines()[-1]


@pytest.mark.soak
@pytest.mark.parametrize("stage", [0, 2, 3])
def test_metrics_are_the_same_on_two_processes(
    operations: Path, tmp_path: Path, together, stage: int
) -> None:
    monitored = "log={every_steps: 1, features_every_steps: 2, feature_clips: 5}"
    given = (
        monitored,
        "log.images_every_steps=3",
        PROBE.format(operations),
        f"engine.zero_stage={stage}",
    )
    outcomes = together(["-m", "pretrain", *words(operations, tmp_path / "two", *given)], 2)
    assert all(outcome.returncode == 0 for outcome in outcomes), outcomes[0].stderr
    one = run_alone(words(operations, tmp_path / "one", *given))
    assert one.returncode == 0, one.stderr
    first, second = (feature_log_of(tmp_path / name) for name in ("one", "two"))
    assert [line["step"] for line in first] == [line["step"] for line in second] == [1, 2, 4, 6]
    for a, b in zip(first, second, strict=True):
        assert a == pytest.approx(b, rel=2e-3)
    assert losses(tmp_path / "one") == pytest.approx(losses(tmp_path / "two"), rel=1e-4)

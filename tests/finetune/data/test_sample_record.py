"""The samples of a resumed run are those that it began with."""

import shutil
from pathlib import Path

import pytest

from finetune.data.datasets import LabelledSets
from finetune.data.labelled_set import label_recordings
from finetune.data.sample_record import SAMPLES_FILE, require_same_samples, write_samples
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from launch.errors import ConfigError
from video.open_source import open_source
from video.progress import show_progress


def sets_of(folder: Path, split: str | None = None) -> LabelledSets:
    """What a start reads from a folder of recordings, labels and a split."""
    if split is not None:
        (folder / "split.yaml").write_text(split)
    recordings = open_source(folder, "pyav", 1.0, 60, show_progress).recordings
    labelled = label_recordings(recordings, folder, folder / "split.yaml")
    sampled = {
        part: [SampledTrack(track, WindowSampling()) for track in tracks]
        for part, tracks in labelled.tracks.items()
    }
    return LabelledSets(labelled.classes, sampled, [])


@pytest.fixture
def folder(labelled: Path, tmp_path: Path) -> Path:
    copied = shutil.copytree(labelled, tmp_path / "labelled")
    write_samples(tmp_path, sets_of(copied))
    return copied


def test_the_same_samples_elsewhere_are_accepted(folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    with (moved / "operation01-phase.txt").open("a") as file:
        file.write("\n")  # another file with the same labels
    require_same_samples(folder.parent, sets_of(moved))


def test_changed_recordings_labels_and_parts_are_named(folder: Path) -> None:
    shutil.copyfile(folder / "operation01.mp4", folder / "operation04.mp4")
    labels = folder / "operation02-phase.txt"
    header, *rows = labels.read_text().splitlines()
    phases = [row.partition("\t")[2] for row in rows]
    later = [phases[0]] * 25 + phases[:-25]  # a second
    lines = [f"{number}\t{phase}" for number, phase in enumerate(later)]
    labels.write_text("\n".join([header, *lines]) + "\n")
    split = "train: [operation02, operation03]\nval: [operation04]\n"
    with pytest.raises(ConfigError) as caught:
        require_same_samples(folder.parent, sets_of(folder, split))
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"run: {folder.parent} began with other")
    for what in (
        f"1 changed ({folder}/operation04.mp4)",
        f"1 with other labels ({folder}/operation02.mp4)",
        f"2 in another part ({folder}/operation03.mp4, {folder}/operation04.mp4)",
        f"1 missing ({folder}/operation01.mp4)",
    ):
        assert what in message


def test_another_order_is_refused(folder: Path) -> None:
    split = "train: [operation02, operation01]\nval: [operation03]\ntest: [operation04]\n"
    with pytest.raises(ConfigError, match="4 in another order"):
        require_same_samples(folder.parent, sets_of(folder, split))


@pytest.mark.parametrize("content", [b"\xff\xfe", b'part\n"', b"part\ntrain,a\n"])
def test_a_damaged_record_is_refused_in_one_line(folder: Path, content: bytes) -> None:
    (folder.parent / SAMPLES_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=r"samples.csv: cannot be read .*; restore it, or remove"):
        require_same_samples(folder.parent, sets_of(folder))


def test_a_former_run_has_no_record(folder: Path) -> None:
    (folder.parent / SAMPLES_FILE).unlink()
    require_same_samples(folder.parent, sets_of(folder))

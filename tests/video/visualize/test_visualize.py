"""Sheets and films: what is drawn where, and which clips are chosen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from video.config import Sampling
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.recording import UnreadableVideo
from video.synthetic import synthesize
from video.visualize.contact_sheet import SIDE, draw_sheet, stack_sheets
from video.visualize.film import write_film
from video.visualize.select_clips import (
    ClipSelection,
    NoSuchClip,
    read_selected_clips,
    select_recordings,
    unique_names,
)
from video.visualize.strips import Strip, draw_text, to_uint8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    synthesize(folder, 3, 4.0, 48, seed=5)
    return folder


def strip(caption: str, *grey: int) -> Strip:
    frames = np.stack([np.full((16, 24, 3), g, dtype=np.uint8) for g in grey])
    return Strip(caption, frames)


def choice(*sources: Path, **other: object) -> ClipSelection:
    values = {"recordings": None, "at": None, "seed": 0, "folder_fps": 1.0, **other}
    return ClipSelection(sources, **values)  # type: ignore[arg-type]


def test_all_frames_have_the_same_scale() -> None:
    pixels = np.array([0.0, 0.25, 1.0, -3.0, 9.0]).reshape(5, 1, 1, 1) * np.ones((1, 2, 2, 3))
    assert to_uint8(pixels)[:, 0, 0, 0].tolist() == [0, 64, 255, 0, 255]
    assert to_uint8(np.array([[[[0.2, 0.4]]]])).tolist() == [[[[77, 77, 77]]]]


def test_a_sheet_has_a_column_a_frame_and_a_row_a_strip() -> None:
    sheet = draw_sheet("title", [strip("dark", 10, 20), strip("light", 110, 120)], ["0 s", "1 s"])
    values, counts = np.unique(sheet[..., 0], return_counts=True)
    area = dict(zip(values.tolist(), counts.tolist(), strict=True))
    for grey in (10, 20, 110, 120):
        assert area[grey] >= SIDE * SIDE * 24 / 16
    places = {g: np.median(np.argwhere(sheet[..., 0] == g), axis=0) for g in (10, 20, 110, 120)}
    assert places[20][1] - places[10][1] > SIDE and places[120][1] - places[110][1] > SIDE
    assert places[110][0] - places[10][0] > SIDE and places[120][0] - places[20][0] > SIDE
    assert stack_sheets([sheet, sheet[:, :40]]).shape == (2 * len(sheet), sheet.shape[1], 3)


def test_long_captions_are_wrapped() -> None:
    short, long = draw_text("a b", 200), draw_text("many words " * 10, 200)
    assert long.shape[0] > short.shape[0] and long.shape[1] == short.shape[1] == 200
    assert (long[short.shape[0] :] < 255).any()


def test_a_film_shows_strips_side_by_side_at_the_pace_of_the_clip(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_film(film, [strip("a", 40, 200), strip("b", 90, 90)], [3.0, 3.5])
    recording = probe(str(film), 1.0)
    assert recording.fps == pytest.approx(2) and recording.seconds == pytest.approx(6, abs=0.6)
    frames = read_frames(recording, [0.0, 0.5, 1.0], recording.height, recording.width)
    left, right = frames[:, -40, 40, 0].astype(int), frames[:, -40, -60, 0].astype(int)
    assert abs(left - [40, 200, 40]).max() < 6 and abs(right - 90).max() < 6


def test_clips_are_chosen_by_the_seed(folder: Path) -> None:
    def times(seed: int) -> list[tuple[str, tuple[float, ...]]]:
        asked = choice(folder, recordings=2, seed=seed)
        found = select_recordings(asked).recordings
        shown = read_selected_clips(found, asked, Sampling(frame_rate=5), 4, (32, 48))
        return [(each.name, each.times) for each in shown]

    assert times(1) == times(1) and len(times(1)) == 2
    assert len({str(times(seed)) for seed in range(6)}) > 3


def test_a_clip_begins_at_the_given_time(folder: Path) -> None:
    asked = choice(folder / "operation02.mp4", at=1.0)
    found = select_recordings(asked).recordings
    (shown,) = read_selected_clips(found, asked, Sampling(frame_rate=5), 4, (48, 72))
    assert shown.times == pytest.approx([1.0, 1.2, 1.4, 1.6]) and shown.name == "operation02"
    direct = read_frames(found[0], list(shown.times), 48, 64)
    assert shown.clip.shape == (4, 48, 72, 3)
    (squeezed,) = read_selected_clips(found, asked, Sampling(frame_rate=5), 4, (48, 64))
    assert np.array_equal(squeezed.clip.numpy(), direct)


def test_clips_that_do_not_exist_are_refused_with_the_cure(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchClip, match="--recordings 9: there are only 3; give a smaller number"):
        select_recordings(choice(folder, recordings=9))
    with pytest.raises(NoSuchClip, match="no such file"):
        select_recordings(choice(tmp_path / "none.mp4"))
    found = select_recordings(choice(folder / "operation01.mp4")).recordings
    with pytest.raises(NoSuchClip, match=r"--at 3.9: .*ends at 4.00 s; give 0 to 3.\d\d"):
        list(read_selected_clips(found, choice(at=3.9), Sampling(frame_rate=5), 4, (32, 32)))
    with pytest.raises(
        UnreadableVideo,
        match=r"is 4\.00 s long, a clip 16.* s; give --short-videos clamp or loop, or a higher",
    ):
        list(read_selected_clips(found, choice(), Sampling(frame_rate=0.5), 9, (32, 32)))


def test_names_are_distinct_and_the_first_keeps_its_own(folder: Path) -> None:
    (one,) = select_recordings(choice(folder / "operation01.mp4")).recordings
    paths = [f"/{i}/{stem}.mp4" for i, stem in enumerate(["a", "b", "a", "a_2", "a"])]
    named = unique_names([replace(one, path=path) for path in paths])
    assert named == ["a", "b", "a_3", "a_2", "a_4"] and unique_names([]) == []


def test_recordings_that_are_too_short_are_skipped_and_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesize(tmp_path, 1, 1.0, 48, seed=0)
    asked = choice(folder / "operation02.mp4", tmp_path)
    found = select_recordings(asked).recordings
    shown = list(read_selected_clips(found, asked, Sampling(frame_rate=5), 8, (32, 32)))
    assert [each.name for each in shown] == ["operation02"]
    reason = "is 1.00 s long, a clip 1.44 s; give --short-videos clamp or loop, or a higher"
    assert f"left out: {tmp_path}/operation01.mp4: {reason}" in capsys.readouterr().out


@pytest.mark.parametrize("at", [None, 0.2])
@pytest.mark.parametrize("short", ["clamp", "loop"])
def test_short_recordings_are_shown_where_the_user_wants_them(
    tmp_path: Path, short: str, at: float | None
) -> None:
    synthesize(tmp_path, 1, 1.0, 48, seed=0)
    sampling = Sampling(frame_rate=5, short_videos=short)
    found = select_recordings(choice(tmp_path)).recordings
    (shown,) = read_selected_clips(found, choice(tmp_path, at=at), sampling, 8, (32, 32))
    assert len(shown.times) == 8 and 0 <= min(shown.times) <= max(shown.times) < 1
    ascending = sorted(shown.times) == list(shown.times)
    assert ascending == (short == "clamp")


def test_a_film_of_many_strips_has_several_lines(tmp_path: Path) -> None:
    strips = [strip(str(i), 20 * i, 20 * i) for i in range(7)]
    write_film(tmp_path / "film.mp4", strips, [0.0, 0.5])
    recording = probe(str(tmp_path / "film.mp4"), 1.0)
    assert recording.width == 5 * (336 + 8) and recording.height > 2 * 224


def test_unreadable_recordings_are_reported(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((folder / "operation01.mp4").read_bytes()[:3000])
    with pytest.raises(UnreadableVideo, match=r"broken\.mp4"):
        select_recordings(choice(broken))
    (tmp_path / "good.mp4").write_bytes((folder / "operation01.mp4").read_bytes())
    found = select_recordings(choice(tmp_path))
    assert [Path(each.path).name for each in found.recordings] == ["good.mp4"]
    assert [Path(each.path).name for each in found.failures] == ["broken.mp4"]

"""The rendered operations: the same from the same seed, and made as recorders make them."""

from pathlib import Path

import av
import numpy as np
import pytest

from video.__main__ import main
from video.synthetic import PHASES, Scene, draw_phases, synthesize


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return synthesize(tmp_path_factory.mktemp("synthetic"), 2, seconds=12, size=48, seed=3)


def decoded(file: Path) -> np.ndarray:
    with av.open(str(file)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_they_are_a_function_of_the_seed(files: list[Path], tmp_path: Path) -> None:
    scenes = [Scene(48, 64, np.random.default_rng(5)) for _ in range(2)]
    phases = draw_phases(30, np.random.default_rng(0))
    for one, other in zip(*(scene.render(phases) for scene in scenes), strict=True):
        np.testing.assert_array_equal(one, other)
    again = synthesize(tmp_path, 2, seconds=12, size=48, seed=3)
    for file, twin in zip(files, again, strict=True):
        first, second = (decoded(path)[::50].astype(np.int16) for path in (file, twin))
        assert np.abs(first - second).max() <= 2  # an encoder's last bit
    assert np.abs(decoded(files[0])[0].astype(np.int16) - decoded(files[1])[0]).mean() > 10
    other = synthesize(tmp_path / "other", 1, seconds=2, size=48, seed=4)
    assert other[0].with_name("operation01-phase.txt").is_file()


def test_they_are_h264_at_25_frames_a_second_with_a_long_gop(files: list[Path]) -> None:
    with av.open(str(files[0])) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 25)
        keys = [n for n, p in enumerate(container.demux(stream)) if p.size and p.is_keyframe]
    assert keys == [0, 250]


def test_a_round_view_on_black_that_moves(files: list[Path]) -> None:
    with av.open(str(files[0])) as container:
        frames = [f.to_ndarray(format="rgb24").astype(float) for f in container.decode(video=0)]
    assert len(frames) == 300
    first = frames[0]
    assert first.shape == (48, 64, 3)
    assert max(first[y, x].mean() for y in (0, -1) for x in (0, -1)) < 8
    assert first[20:28, 28:36].mean() > 40
    assert np.abs(frames[150] - first).mean() > 10
    # red tissue: the colour is that of an operation, not of a test chart
    assert first[..., 0].mean() > 1.3 * first[..., 2].mean()


def test_every_frame_has_its_phase_in_order(files: list[Path]) -> None:
    lines = files[0].with_name("operation01-phase.txt").read_text().splitlines()
    assert lines[0] == "Frame\tPhase"
    rows = [line.split("\t") for line in lines[1:]]
    assert [int(row[0]) for row in rows] == list(range(300))
    seen = list(dict.fromkeys(row[1] for row in rows))
    assert seen == [phase.name for phase in PHASES]
    drawn = draw_phases(300, np.random.default_rng(0))
    assert {phase.name for phase in drawn} == {phase.name for phase in PHASES}


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["synthesize", str(tmp_path / "out"), "--recordings", "1", "--seconds", "1"]
    assert main([*words, "--size", "32"]) == 0
    assert capsys.readouterr().out.startswith("1 recordings of 1 s in ")
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--size", "2"])
    assert "--size: 2 is too small; give 16 or more" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["synthesize", str(tmp_path / "file/out")]) == 2
    assert "give another place" in capsys.readouterr().err

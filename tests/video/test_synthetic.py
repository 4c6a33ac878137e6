"""The rendered operations: the same from the same seed, and made as recorders make them."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import ROOT
from video.__main__ import main
from video.synthetic import PHASES, draw_phases, synthesize


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return synthesize(tmp_path_factory.mktemp("synthetic"), 2, seconds=12, size=48, seed=3)


def test_they_are_a_function_of_the_seed(tmp_path: Path) -> None:
    """In processes of their own, as a user makes them, to the last byte."""
    contents = []
    for out, seed in (("one", "3"), ("two", "3"), ("other", "4")):
        words = ["synthesize", str(tmp_path / out), "--recordings", "2", "--seconds", "2"]
        subprocess.run(
            [sys.executable, "-m", "video", *words, "--size", "48", "--seed", seed],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        contents.append([file.read_bytes() for file in sorted((tmp_path / out).iterdir())])
    one, two, other = contents
    assert one == two
    assert len(one) == 4
    assert one[0] != other[0]
    assert one[0] != one[2]


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


def test_the_command_prints_what_it_generated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["synthesize", str(tmp_path / "out"), "--recordings", "1", "--seconds", "1"]
    assert main([*words, "--size", "32"]) == 0
    assert capsys.readouterr().out.startswith("1 recording of 1 s in ")
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--size", "2"])
    assert "--size: 2 is too small; give 16 or more" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["synthesize", str(tmp_path / "file/out")]) == 2
    assert "choose another path" in capsys.readouterr().err

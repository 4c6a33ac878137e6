"""`python -m finetune predict` and `features` give the numbers of the run itself."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.checkpoint.load import load_encoder
from finetune.cli import main
from finetune.evaluation.predictions import load_predictions
from launch.errors import ConfigError
from tests.conftest import ROOT
from video.manifest import ManifestError


@pytest.fixture(scope="module")
def predicted(labelled: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted")
    words = ["predict", str(labelled / "operation04.mp4"), "--run", str(finished)]
    main([*words, "--out", str(out), "--rate", "2", "--workers", "0"])
    return out


def test_probabilities_are_those_of_the_runs_test(predicted: Path, finished: Path) -> None:
    expected = load_predictions(finished / "predictions_test.npz")
    values = json.loads((predicted / "operation04.json").read_text())
    assert values["classes"] == list(expected.classes) and values["unreadable"] == 0
    assert values["time"] == expected.time.tolist()
    np.testing.assert_allclose(values["probabilities"], expected.scores, atol=1e-5)


def test_csv_and_json_agree_and_there_is_a_timeline(predicted: Path) -> None:
    with (predicted / "operation04.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = json.loads((predicted / "operation04.json").read_text())
    assert len(rows) == 24
    for row, time, shares in zip(rows, values["time"], values["probabilities"], strict=True):
        assert float(row["time"]) == time
        assert row["prediction"] == values["classes"][int(np.argmax(shares))]
        assert float(row[row["prediction"]]) == pytest.approx(max(shares), abs=1e-6)
    assert (predicted / "operation04.png").stat().st_size > 5000


def test_unreadable_timestamps_are_reported_and_have_no_probabilities(
    labelled: Path, finished: Path, tmp_path: Path, capsys
) -> None:
    """A folder of images, of which one is damaged."""
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for second in range(40):
        grey = np.full((48, 64, 3), 3 * second, dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{second:06d}.jpg")
    (folder / "000004.jpg").write_bytes(b"no image")
    words = ["predict", str(folder), "--run", str(finished), "--out", str(tmp_path)]
    main([*words, "--workers", "0"])
    values = json.loads((tmp_path / "images.json").read_text())
    rows = zip(values["time"], values["probabilities"], strict=True)
    missing = [time for time, row in rows if not row]
    assert missing and values["unreadable"] == len(missing)
    assert all(4 <= time < 7 for time in missing)  # a window of 4 frames, 0.5 s apart
    reported = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("unreadable")
    ]
    assert len(reported) == 1 and "000004.jpg" in reported[0]
    assert reported[0].startswith(f"unreadable: {len(missing)} timestamps, the first: ")


def test_what_is_not_a_recording_or_not_a_run_is_refused(
    labelled: Path, finished: Path, tmp_path
) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(ManifestError, match=r"no\.mp4"):
        main(["predict", str(tmp_path / "no.mp4"), "--run", str(finished)])
    with pytest.raises(ValueError, match=r"classifier\.safetensors"):
        main(["predict", str(labelled / "operation04.mp4"), "--run", str(tmp_path)])


def features(labelled: Path, finished: Path, out: Path, *more: str) -> None:
    words = ["features", str(labelled), str(out), "--weights", str(finished), "--workers", "0"]
    main([*words, *more])


def test_a_second_call_exports_only_missing_features(
    labelled: Path, finished: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "features"
    features(labelled, finished, out)
    assert capsys.readouterr().out.count("12 timestamps\n") == 4
    with np.load(out / "operation02.npz", allow_pickle=False) as held:
        assert held["features"].shape == (12, 32) and held["readable"].all()
        assert held["time"].tolist() == [float(second) for second in range(12)]
        before = held["features"]
        about = json.loads(str(held["about"]))
    encoder = load_encoder(finished)[0].eval()
    assert about["encoder"]["embed_dim"] == encoder.config.embed_dim
    (out / "operation02.npz").unlink()
    stamp = (out / "operation01.npz").stat().st_mtime_ns
    features(labelled, finished, out)
    assert capsys.readouterr().out.count("exists already") == 3
    assert (out / "operation01.npz").stat().st_mtime_ns == stamp
    with np.load(out / "operation02.npz", allow_pickle=False) as held:
        assert np.array_equal(held["features"], before)
    assert torch.isfinite(torch.from_numpy(before)).all() and np.ptp(before) > 0


def test_features_of_other_settings_are_not_mixed(
    labelled: Path, finished: Path, tmp_path: Path
) -> None:
    features(labelled, finished, tmp_path / "f")
    with pytest.raises(ConfigError, match=r"operation01\.npz: was exported with another window"):
        features(labelled, finished, tmp_path / "f", "--step-seconds", "0.5")
    with pytest.raises(ConfigError, match=r"another rate; remove it"):
        features(labelled, finished, tmp_path / "f", "--rate", "2")
    (tmp_path / "f/operation01.npz").write_bytes(b"half")
    with pytest.raises(ConfigError, match=r"operation01\.npz: cannot be read"):
        features(labelled, finished, tmp_path / "f")


def test_predictions_do_not_depend_on_later_frames(
    labelled: Path, finished: Path, predicted: Path, tmp_path: Path
) -> None:
    """The first half of the file gives the same probabilities."""
    import av

    half = tmp_path / "half.mp4"
    with av.open(str(labelled / "operation04.mp4")) as source, av.open(str(half), "w") as target:
        given = source.streams.video[0]
        written = target.add_stream_from_template(given)
        for packet in source.demux(given):
            if packet.pts is not None and float(packet.pts * packet.time_base) < 6:
                packet.stream = written
                target.mux(packet)
    words = ["predict", str(half), "--run", str(finished), "--out", str(tmp_path)]
    main([*words, "--rate", "2", "--workers", "0"])
    whole, part = (
        json.loads(file.read_text())
        for file in (predicted / "operation04.json", tmp_path / "half.json")
    )
    assert 10 <= len(part["time"]) <= 13
    for early, full in zip(part["probabilities"][:10], whole["probabilities"], strict=False):
        np.testing.assert_allclose(early, full, atol=2e-6)


PEAK = """
import resource, sys
from finetune.cli import main
if __name__ == "__main__":
    main(sys.argv[1:])
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.soak
def test_memory_does_not_grow_with_the_recording(finished: Path, tmp_path: Path) -> None:
    from video.synthetic import synthesize

    program = tmp_path / "peak.py"
    program.write_text(PEAK)
    peaks = []
    for seconds in (200, 1600):
        (recording,) = synthesize(tmp_path / str(seconds), 1, seconds=seconds, size=48, seed=0)
        words = ["predict", str(recording), "--run", str(finished), "--workers", "0"]
        done = subprocess.run(
            [sys.executable, str(program), *words, "--out", str(tmp_path / f"out{seconds}")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.rpartition("peak ")[2]))
    assert peaks[1] < peaks[0] + 20, peaks

"""`python -m finetune labels`: a check of a labelled set before training."""

import shutil
import subprocess
from pathlib import Path

import pytest

from finetune.cli import main
from finetune.data.splits import SplitError
from launch.errors import ConfigError
from tests.video.conftest import two_streams
from tests.video.near_duplicates.disguises import DISGUISES
from video.labels.segments import LabelError
from video.manifest import ManifestError


def test_labels_are_reported_by_part(operations: Path, tmp_path: Path, capsys) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01]\ntest: [operation02]\n")
    main(["labels", str(operations), str(operations), "--split", str(split)])
    out = capsys.readouterr().out
    assert out.index("train:") < out.index("operation01.mp4: 6 labelled timestamps")
    assert out.index("test:") < out.index("operation02.mp4: 6 labelled timestamps")
    assert "Preparation" in out and "without label" not in out


def test_a_disguised_recording_of_another_part_is_refused_or_listed(
    operations: Path, tmp_path: Path, capsys
) -> None:
    labels = (operations / "operation01-phase.txt").read_text()
    (tmp_path / "y-phase.txt").write_text(labels)
    (tmp_path / "operation01-phase.txt").write_text(labels)
    shutil.copy(operations / "operation01.mp4", tmp_path)
    DISGUISES["mirrored"](operations / "operation01.mp4", tmp_path / "y")
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01]\ntest: [y]\n")
    arguments = ["labels", str(tmp_path), str(tmp_path), "--split", str(split)]
    message = (
        r"y\.mp4 in test looks like \(mirrored left to right, .* or set --allow-similar if they"
    )
    with pytest.raises(SplitError, match=message):
        main(arguments)
    capsys.readouterr()
    main([*arguments, "--allow-similar"])
    assert "warning: " in capsys.readouterr().out.splitlines()[-1]


def test_the_rate_and_the_classes_are_options(operations: Path, capsys) -> None:
    words = ["labels", str(operations), str(operations), "--rate", "5"]
    main(words)
    assert "operation01.mp4: 30 labelled timestamps" in capsys.readouterr().out
    with pytest.raises(LabelError, match=r"operation01-phase\.txt:\d+: '.*' is none of the 2"):
        main([*words, "--classes", "Preparation, Other"])


def test_a_set_may_have_a_video_stream_of_its_own(tmp_path: Path, capsys) -> None:
    two_streams(tmp_path / "two.mkv", (4.0, 2.4))  # the second is the largest that lasts
    (tmp_path / "labels.csv").write_text("recording,start,end,phase\ntwo,0,2,a\ntwo,2,4,b\n")
    words = ["labels", str(tmp_path / "two.mkv"), str(tmp_path / "labels.csv")]
    for options, samples in (([], 2), (["--stream=0"], 4), (["--set", "stream=0"], 4)):
        main([*words, *options])
        assert f"two.mkv: {samples} labelled timestamps" in capsys.readouterr().out
    with pytest.raises((LabelError, ManifestError)):
        main([*words, "--stream=7"])
    assert "two.mkv: has no video stream 7, only 0, 1; give one of these" in capsys.readouterr().out


def test_labels_that_count_in_another_rate_are_told(
    operations: Path, tmp_path: Path, capsys
) -> None:
    for name in ("operation01", "operation02"):  # 6 s, a line for each second
        lines = [f"{second}\t{'ab'[second // 3]}" for second in range(6)]
        (tmp_path / f"{name}-phase.txt").write_text("\n".join(["Frame\tPhase", *lines]))
    main(["labels", str(operations), str(tmp_path), "--classes", "a,b"])
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "warning" in each]
    assert line.startswith("warning: 2 of 2 recordings have labels at less than half of their time")
    assert (
        "operation01.mp4 (6.0 s) at 1 of 6, the last at 0 s; its labels count in frames, " in line
    )
    assert line.endswith(
        "25 a second: if that is not their rate, set --label-fps=1, with which they end where the "
        "recording ends"
    )
    main(["labels", str(operations), str(tmp_path), "--label-fps=1"])
    assert "warning" not in capsys.readouterr().out
    (tmp_path / "seconds.csv").write_text(
        "recording,time,phase\noperation01,0,a\noperation01,1,b\n"
    )
    main(["labels", str(operations / "operation01.mp4"), str(tmp_path / "seconds.csv")])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(
        "at 2 of 6, the last at 1 s; if more should have one, correct the times in the label file"
    )


def test_parts_of_an_operation_are_told_what_they_need(
    operations: Path, tmp_path: Path, capsys
) -> None:
    for number in (1, 2):
        shutil.copy(operations / "operation01.mp4", tmp_path / f"op_part{number}.mp4")
    table = tmp_path / "labels.csv"
    table.write_text("recording,start,end,phase\nop,0,6,a\nop,6,12,b\n")
    (tmp_path / "op.csv").write_text(table.read_text())
    for labels, file in ((table, "labels.csv"), (tmp_path, "op.csv")):
        with pytest.raises(LabelError) as caught:
            main(["labels", str(tmp_path), str(labels)])
        assert f"{file} has labels of op: if op_part1 is a part of it, " in str(caught.value)
        assert str(caught.value).endswith("to one file op with ffmpeg's concat demuxer")
    split = tmp_path / "split.yaml"
    split.write_text("train: [op]\n")
    with pytest.raises(SplitError, match="recording op; if op_part1, op_part2 are its parts, list"):
        main(["labels", str(tmp_path), str(table), "--split", str(split)])
    listing = tmp_path / "parts.txt"
    listing.write_text("file op_part1.mp4\nfile op_part2.mp4\n")
    joined = tmp_path / "joined" / "op.mp4"
    joined.parent.mkdir()
    command = ["ffmpeg", "-v", "error", "-f", "concat", "-i", str(listing), "-c", "copy"]
    subprocess.run([*command, str(joined)], check=True)
    main(["labels", str(joined), str(table)])
    assert "op.mp4: 12 labelled timestamps\n" in capsys.readouterr().out


def test_a_split_that_names_a_missing_recording(operations: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01]\ntest: [operation09]\n")
    with pytest.raises(
        SplitError, match=r"split\.yaml:2: the source has no recording operation09; did"
    ):
        main(["labels", str(operations), str(operations), "--split", str(split)])


def test_tools_are_several_labels_per_timestamp(operations: Path, tmp_path: Path, capsys) -> None:
    table = tmp_path / "tools.csv"
    table.write_text("recording,start,end,Hook,Clip\noperation01,0,3,1,0\noperation02,0,6,0,\n")
    main(["labels", str(operations), str(table), "--multi-label"])
    out = capsys.readouterr().out
    assert "operation01.mp4: 3 labelled timestamps (3 without label)" in out
    assert "Hook 33.3%, Clip 0.0%; 12 of 24 labels are unknown" in out
    with pytest.raises(LabelError, match=r"for a column per class, set multi_label: true"):
        main(["labels", str(operations), str(table)])


def test_clips_are_listed_with_their_labels(operations: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "half.mp4").write_bytes(b"nothing that can be read")
    lists = {
        "train": f"path,label,start,end\n{operations}/operation01.mp4,cut,0,3\n"
        f"{operations}/operation01.mp4,sew,3,6\nhalf.mp4,sew,,\n",
        "test": f"path,label\n{operations}/operation02.mp4,sew\n",
    }
    for part, text in lists.items():
        (tmp_path / f"{part}.csv").write_text(text)
    words = ["labels", str(tmp_path / "{part}.csv"), "--kind", "clips"]
    main(words)
    out = capsys.readouterr().out
    assert "unreadable: " in out and "half.mp4: " in out
    assert "train:\n  2 labelled clips of 1 recording: cut 50%, sew 50%\n" in out
    assert f"  1 more clips: the recording could not be opened; the first: {tmp_path}" in out
    assert "test:\n  1 labelled clip of 1 recording: cut 0%, sew 100%\n" in out
    (tmp_path / "test.csv").write_text(f"{operations}/operation01.mp4 sew\n")
    with pytest.raises(SplitError, match=r"test\.csv:1: .*operation01\.mp4 in test is the same"):
        main(words)
    with pytest.raises(SplitError, match="the intervals overlap"):
        main([*words, "--allow-shared-recordings"])


def test_paths_and_options_that_a_kind_does_not_take_are_refused(operations: Path) -> None:
    with pytest.raises(LabelError, match="labels: --kind timestamps takes SOURCE and LABELS, not "):
        main(["labels", str(operations)])
    with pytest.raises(LabelError, match="labels: --kind clips takes CLIPS, not "):
        main(["labels", str(operations), str(operations), "--kind", "clips"])
    with pytest.raises(LabelError, match=r"--kind: 'frames' is none of timestamps, clips"):
        main(["labels", str(operations), "--kind", "frames"])
    with pytest.raises(ConfigError, match=r"rate: no such key"):
        main(["labels", str(operations), "--kind", "clips", "--rate", "2"])
    with pytest.raises(LabelError, match="--multi-label: leave it out; a list of clips shows"):
        main(["labels", str(operations), "--kind", "clips", "--multi-label"])
    with pytest.raises(ConfigError, match="label_fps: 0 is refused"):
        main(["labels", str(operations), str(operations), "--set", "label_fps=0"])

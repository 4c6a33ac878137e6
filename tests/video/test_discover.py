"""Folders, CSV files and lists: what is found, and what is refused by its line."""

import os
from pathlib import Path

import pytest

from video.discover import find_recordings, list_source
from video.exclude import exclude
from video.manifest import ManifestError
from video.prepare.redact import read_spans


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a/c d.MKV", "a/e.avi", "a/.hidden.mp4", "a/notes.txt", ".git/x.mp4"):
        file = tmp_path / "videos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "videos"


def names(found: list[str], folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in found]


def test_a_folder_is_searched_with_its_subfolders_and_without_hidden_files(folder: Path) -> None:
    assert names(find_recordings(folder), folder) == ["a/c d.MKV", "a/e.avi", "b.mp4"]


def test_links_are_followed_and_loops_end(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "f.mp4").write_bytes(b"x")
    (folder / "linked").symlink_to(other)
    (folder / "a/loop").symlink_to(folder)
    assert "linked/f.mp4" in names(find_recordings(folder), folder)
    assert len(find_recordings(folder)) == 4


def test_one_file_is_a_source(folder: Path) -> None:
    assert find_recordings(folder / "b.mp4") == [str(folder / "b.mp4")]


@pytest.mark.parametrize(
    "text",
    [
        "path\nb.mp4\na/c d.MKV\n",
        "hospital,path,note\nX,b.mp4,\nX,a/c d.MKV,good\n",
        '\ufeffpath,x\n"b.mp4",1\n"a/c d.MKV",2\n',
        "b.mp4\na/c d.MKV\n",
        "b.mp4 3\na/c d.MKV 12\n",
        "b.mp4 0 -1\na/c d.MKV 0 -1\n",
        "\nb.mp4 0 -1 7\n\na/c d.MKV label\n",
    ],
)
def test_files_that_list_recordings(folder: Path, text: str) -> None:
    source = folder / "list.csv"
    source.write_text(text, encoding="utf-8")
    assert names(find_recordings(source), folder) == ["b.mp4", "a/c d.MKV"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no recordings"),
        ("path\n", "lists no recordings"),
        ("file,label\nb.mp4,1\n", "1: has no column path, only file, label"),
        ("path\nb.mp4\nb.mp4\n", "3: .*b.mp4 is also in line 2"),
        ("path\nmissing.mp4\n", "2: 'missing.mp4' does not exist"),
        ("b.mp4 0\nmissing 0 -1\n", "2: 'missing 0 -1' does not exist"),
        ("a 0 120\n", "1: a is a folder without numbered images"),
        ("path,x\n,1\n", "2: '' does not exist"),
    ],
)
def test_a_wrong_list_is_refused_by_its_line(folder: Path, text: str, message: str) -> None:
    source = folder / "list.csv"
    source.write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        find_recordings(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"\x80\x81\n"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(ManifestError, match="cannot be read as text"):
        find_recordings(tmp_path / "list")


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    readers = (find_recordings, lambda file: read_spans(file, []), lambda file: exclude([], file))
    for file in (tmp_path / "list", Path("/dev/zero")):
        for read in readers:
            with pytest.raises(ManifestError, match="not a regular file"):
                read(file)
    (tmp_path / "names").write_text("list\n")
    with pytest.raises(ManifestError, match=r"names: list cannot be read \(not a regular file\)"):
        exclude([], tmp_path / "names")


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_named_by_every_reader(
    tmp_path: Path, separator: str, name: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"path{separator}begin{separator}end\na.mp4{separator}0{separator}1\n")
    readers = (
        lambda: find_recordings(file),
        lambda: read_spans(file, []),
        lambda: exclude([], file),  # entries that match nothing would let recordings through
    )
    for read in readers:
        with pytest.raises(ManifestError, match=rf"list\.csv:1: .* separated by {name}"):
            read()


def test_empty_folders_and_folders_without_videos_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is empty; add video files"):
        find_recordings(tmp_path)
    (tmp_path / "report.pdf").write_bytes(b"x")
    with pytest.raises(ManifestError, match=r"contains no recordings, only \.pdf"):
        find_recordings(tmp_path)
    with pytest.raises(ManifestError, match="nowhere does not exist"):
        find_recordings(tmp_path / "nowhere")


def test_a_folder_of_numbered_images_is_a_recording(folder: Path) -> None:
    for name in ("op1/img_00001.jpg", "op1/img_00002.JPG", "op2/000016.png", "a/thumb_1.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    found = names(find_recordings(folder), folder)
    assert found == ["a/c d.MKV", "a/e.avi", "b.mp4", "op1", "op2"]
    source = folder / "list.csv"
    source.write_text("path\nop2\nb.mp4\n")
    assert names(find_recordings(source), folder) == ["op2", "b.mp4"]


def test_a_folder_that_cannot_be_entered_is_named(folder: Path, monkeypatch) -> None:
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ManifestError, match=r"folder .*/a cannot be listed .Permission denied"):
        find_recordings(folder)


def test_videos_are_found_by_content_and_other_files_are_counted(tmp_path: Path) -> None:
    heads = {
        "a.MOD": b"\x00\x00\x01\xba" + bytes(100),
        "b.DAT": b"RIFF1234CDXAfmt ",
        "c.dv": b"\x1f\x07\x00\x3f" + bytes(100),
        "d": b"\x00\x00\x00\x18ftypmp42" + bytes(100),
        "e.tod": (b"\x47" + bytes(187)) * 6,
        "f.mkv.part": b"\x1a\x45\xdf\xa3" + bytes(100),
        "sound.m4a": b"\x00\x00\x00\x18ftypM4A " + bytes(100),
        "notes.txt": b"text",
        "more.TXT": b"",
        "README": b"text",
        "g.mp4": b"x",
    }
    for name, content in heads.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    listing = list_source(tmp_path)
    taken = ["a.MOD", "b.DAT", "c.dv", "d", "e.tod", "f.mkv.part"]
    assert names(listing.by_content, tmp_path) == taken
    assert names(listing.paths, tmp_path) == sorted([*taken, "g.mp4"])
    assert listing.others == {".m4a": 1, ".txt": 2, "without suffix": 2}
    assert listing.notes() == [
        "taken for video by content: 6 (a.MOD, b.DAT, c.dv, d, e.tod ...)",
        "not looked at: 1 .m4a, 2 .txt, 2 without suffix",
    ]
    assert find_recordings(tmp_path / "a.MOD") == [str(tmp_path / "a.MOD")]

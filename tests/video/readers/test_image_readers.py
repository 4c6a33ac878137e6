"""Folders of numbered images and prepared recordings: frames by time, and errors."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.video.conftest import made_up, number_of, numbered_frame
from video.readers.frame_folder import cached_listing
from video.readers.jpeg_pack import open_pack, write_pack
from video.readers.probe import probe
from video.readers.random_access import read_frames
from video.recording import Recording, UnreadableVideo

REAL_FOLDERS = sorted(
    (Path(__file__).parents[3] / "../shared/videos/cholect50_challenge_val/videos").glob("VID*")
)


def picture(number: int, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(numbered_frame(number)).save(out, kind, quality=90)
    return out.getvalue()


def folder_of(folder: Path, numbers: list[int], name: str = "img_{:05}.jpg") -> str:
    folder.mkdir()
    for number in numbers:
        kind = "PNG" if name.endswith("png") else "JPEG"
        (folder / name.format(number)).write_bytes(picture(number, kind))
    cached_listing.cache_clear()
    return str(folder)


def numbers(recording: Recording, times: list[float]) -> list[int]:
    return [number_of(frame) for frame in read_frames(recording, times, 48, 64)]


@pytest.mark.parametrize("name", ["img_{:05}.jpg", "{:06}.png", "video01_{}.JPG"])
def test_a_folder_is_read_by_the_numbers_in_its_names(tmp_path: Path, name: str) -> None:
    recording = probe(folder_of(tmp_path / "x", [*range(8, 12), 13, 14], name), folder_fps=2.0)
    assert (recording.reader, recording.fps, recording.frames) == ("frames", 2.0, 6)
    assert (recording.first, recording.seconds, recording.shape) == (4.0, 3.5, (48, 64))
    assert recording.holes == ()
    assert numbers(recording, [0.0, 0.5, 1.4, 1.5, 2.0, 2.5, 3.0]) == [8, 9, 10, 11, 11, 13, 14]
    with pytest.raises(UnreadableVideo, match=r"has no frame at 3\.60 s"):
        read_frames(recording, [3.6], 48, 64)


def test_long_gaps_between_images_are_holes(tmp_path: Path) -> None:
    recording = probe(folder_of(tmp_path / "x", [0, 1, 5, 6, 40, 41]))
    assert recording.holes == ((7.0, 40.0),)  # for up to ten seconds the last one stands in


def test_ambiguous_image_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match=r"mixes images named a_0 and b_0"):
        folder_of(tmp_path / "x", [1, 2], "a_{}.jpg")
        (tmp_path / "x/b_1.jpg").write_bytes(picture(1))
        probe(str(tmp_path / "x"))
    with pytest.raises(UnreadableVideo, match=r"1.jpg and a_1.jpg have the same number"):
        folder_of(tmp_path / "y", [1, 2], "a_{}.jpg")
        (tmp_path / "y/a_01.jpg").write_bytes(picture(1))
        probe(str(tmp_path / "y"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-40], "img_00003.jpg: is not a valid JPEG .Premature end"),
        (lambda data: b"", "img_00003.jpg: is not a valid JPEG"),
        (lambda data: b"no picture" + data[-2:], "img_00003.jpg: is not a valid JPEG"),
    ],
)
def test_a_damaged_image_is_named_and_the_others_are_read(
    tmp_path: Path, damage, reason: str
) -> None:
    recording = probe(folder_of(tmp_path / "x", list(range(6))))
    file = tmp_path / "x/img_00003.jpg"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UnreadableVideo, match=reason):
        read_frames(recording, [2.0, 3.0], 48, 64)
    file.unlink()
    with pytest.raises(UnreadableVideo, match=r"img_00003.jpg cannot be read .No such file"):
        read_frames(recording, [3.0], 48, 64)
    assert numbers(recording, [2.0, 4.0]) == [2, 4]


@pytest.fixture
def pack(tmp_path: Path) -> Recording:
    """Two hundred pictures at 25 a second, and a hole of ten seconds."""
    times = [n / 25 + 10 * (n >= 100) for n in range(200)]
    file = tmp_path / "x.frames"
    write_pack(file, ((time, picture(n)) for n, time in enumerate(times)), lambda: b"")
    return made_up(18.0, path=str(file), reader="pack", frames=200)


def test_a_pack_is_read_by_time(pack: Recording) -> None:
    wanted = [0.0, 0.16, 3.959, 3.96, 4.1, 13.99, 14.0, 14.04, 17.96]
    assert numbers(pack, wanted) == [0, 4, 99, 99, 99, 100, 100, 101, 199]
    assert read_frames(pack, [1.0], 24, 30).shape == (1, 24, 30, 3)
    with open_pack(pack.path) as prepared:
        assert prepared.times(98, 101).tolist() == [98 / 25, 99 / 25, 14.0]


def test_a_damaged_pack_is_named(pack: Recording) -> None:
    file = Path(pack.path)
    content = file.read_bytes()
    with open_pack(pack.path) as prepared:
        begin = content.index(prepared.read_images([50])[50])
    file.write_bytes(content[: begin + 100] + b"\x00\x01" + content[begin + 102 :])
    assert numbers(pack, [49 / 25, 51 / 25]) == [49, 51]
    with pytest.raises(UnreadableVideo, match="image 50 is damaged; prepare it again"):
        read_frames(pack, [2.0], 48, 64)
    for broken in (content[:-1], content[: len(content) // 2], content + b"x", content[1:], b""):
        file.write_bytes(broken)
        with pytest.raises(UnreadableVideo, match="is not a prepared recording, or truncated"):
            read_frames(pack, [2.0], 48, 64)
    file.unlink()
    with pytest.raises(UnreadableVideo, match=r"cannot be read .No such file"):
        read_frames(pack, [2.0], 48, 64)


def test_a_pack_never_trusts_an_offset(pack: Recording) -> None:
    file = Path(pack.path)
    content = bytearray(file.read_bytes())
    with open_pack(pack.path) as prepared:
        offsets = prepared.begin + 8 * prepared.images
    content[offsets + 8 : offsets + 16] = (2**62).to_bytes(8, "little")
    file.write_bytes(content)
    for time in (0.0, 0.04):
        with pytest.raises(UnreadableVideo, match="is damaged"):
            read_frames(pack, [time], 48, 64)


def test_an_interrupted_pack_leaves_no_file(tmp_path: Path) -> None:
    def pictures():
        yield 0.0, picture(0)
        raise RuntimeError("the decoder crashed")

    with pytest.raises(RuntimeError):
        write_pack(tmp_path / "x.frames", pictures(), lambda: b"")
    assert not (tmp_path / "x.frames").exists()


def test_sizes_of_images_may_differ(tmp_path: Path) -> None:
    recording = probe(folder_of(tmp_path / "x", [0, 1]))
    Image.fromarray(np.zeros((100, 30, 3), np.uint8)).save(tmp_path / "x/img_00001.jpg")
    assert read_frames(recording, [0.0, 1.0], 48, 64).shape == (2, 48, 64, 3)


@pytest.mark.skipif(not REAL_FOLDERS, reason="no real recordings at ../shared/videos")
@pytest.mark.parametrize("folder", REAL_FOLDERS, ids=lambda path: path.name)
def test_real_folders_return_the_image_of_each_second(folder: Path) -> None:
    recording = probe(str(folder))
    names = sorted(folder.glob("*.jpg"))
    first = int(names[0].stem)
    for name in (names[0], names[len(names) // 2], names[-1]):
        with Image.open(name) as picture:
            expected = np.asarray(picture.convert("RGB")).astype(np.int16)
        for second in (0.0, 0.9):
            time = int(name.stem) - first + second
            (read,) = read_frames(recording, [time], *recording.shape)
            assert np.abs(read - expected).mean() < 2  # chroma is enlarged in a faster way

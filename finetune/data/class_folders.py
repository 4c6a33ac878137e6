"""Clips in class folders: `ROOT/CLASS/recording.mp4`, or `ROOT/train/CLASS/recording.mp4`."""

from collections.abc import Iterator
from pathlib import Path

from finetune.data.splits import PARTS
from video.discover import RECORDING_SUFFIXES, find_recordings
from video.labels.segments import ClipEntry, LabelError
from video.manifest import ManifestError


def part_folders(root: Path) -> dict[str, Path]:
    """The folders `train`, `val` and `test`; empty if there are none.

    Raises LabelError if there are other folders beside them.
    """
    folders = _subfolders(root)
    parts = {part: folders[part] for part in PARTS if part in folders}
    if parts and len(parts) < len(folders):
        other = min(folders.keys() - parts.keys())
        raise LabelError(
            f"{root}: has {', '.join(parts)} beside {other}; give the folder of each part"
        )
    return parts


def read_class_folders(root: Path) -> Iterator[ClipEntry]:
    """Each recording is a clip, with the name of its folder as its label."""
    if parts := part_folders(root):
        raise LabelError(f"{root}: has {', '.join(parts)}; give the folder of one part")
    loose = [file.name for file in _contents(root) if file.suffix.lower() in RECORDING_SUFFIXES]
    if loose:
        raise LabelError(f"{root}: {min(loose)} is in no class folder; move it into one")
    for name, folder in _subfolders(root).items():
        try:
            recordings = find_recordings(folder)
        except ManifestError as error:
            raise LabelError(str(error)) from None
        if str(folder) in recordings:
            raise LabelError(
                f"{folder}: is itself a recording, a folder of images; class folders are "
                f"{root}/CLASS/RECORDING"
            )
        for path in recordings:
            yield ClipEntry(str(Path(path).absolute()), name, None, None, str(folder), 0)


def _subfolders(root: Path) -> dict[str, Path]:
    """By name, without hidden folders and recordings."""
    return {
        each.name: each
        for each in _contents(root)
        if each.is_dir() and each.name[0] != "." and each.suffix.lower() not in RECORDING_SUFFIXES
    }


def _contents(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise LabelError(f"{folder}: cannot be listed ({error.strerror})") from None

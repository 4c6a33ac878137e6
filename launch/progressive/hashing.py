"""By what a stage's files are known again."""

import hashlib
import json
import re
from pathlib import Path

from launch.atomic_io import sha256_file

CHECKPOINTS = "checkpoints"  # in a run folder; their manifests hold the checksums of their files
MANIFEST = "manifest.json"
LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
_COMPLETE = re.compile(r"step-(\d+)")


class Digests:
    """Digests of files and folders; a file that has not changed since is not read again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def of(self, path: Path) -> str | None:
        """The sha256 of a file, or one that stands for a folder; None where there is neither."""
        if path.is_file():
            return self._of_file(path)
        return self._of_folder(path) if path.is_dir() else None

    def _of_file(self, file: Path) -> str:
        facts = file.stat()
        key = str(file), facts.st_size, facts.st_mtime_ns
        if key not in self._known:
            self._known[key] = _digest(file)
        return self._known[key]

    def _of_folder(self, folder: Path) -> str | None:
        """Of a run folder its weights; of any other all its files; None of an empty one.

        What else a run folder holds (log, environment) changes when a complete run is started
        again, and nobody takes anything from it.
        """
        manifests = {
            int(found[1]): file
            for file in (folder / CHECKPOINTS).glob(f"*/{MANIFEST}")
            if (found := _COMPLETE.fullmatch(file.parent.name))
        }
        if manifests:
            files = [manifests[max(manifests)], *sorted(folder.glob("*.safetensors"))]
        else:
            found_files = (path for path in folder.rglob("*") if path.is_file())
            files = sorted(file for file in found_files if is_content(file))
        if not files:
            return None
        listed = "".join(f"{self._of_file(f)}  {f.relative_to(folder)}\n" for f in files)
        return hashlib.sha256(listed.encode()).hexdigest()


def _digest(file: Path) -> str:
    """The file's sha256; of safetensors with the entries of their header in order.

    Their library writes metadata in an order of chance, and a run that is started again when it is
    complete writes the same weights again.
    """
    if file.suffix != ".safetensors":
        return sha256_file(file)
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        try:
            header = json.loads(opened.read(length)) if length <= LONGEST_HEADER else None
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            return sha256_file(file)  # of whatever this is
        sha256.update(json.dumps(header, sort_keys=True).encode())
        while chunk := opened.read(2**22):
            sha256.update(chunk)
    return sha256.hexdigest()


def is_content(path: Path) -> bool:
    """Whether a file or folder is what somebody made, not a lock."""
    return not path.name.startswith(".")


def has_content(folder: Path) -> bool:
    return folder.is_dir() and any(is_content(path) for path in folder.iterdir())

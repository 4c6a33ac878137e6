"""Digests by which a change of a stage's files is noticed."""

import hashlib
import json
import re
from pathlib import Path

from launch.atomic_io import sha256_file

CHECKPOINTS = "checkpoints"  # in a run folder; each has a manifest with the checksums of its files
MANIFEST = "manifest.json"
MAX_HEADER_BYTES = 100_000_000  # of safetensors, by their specification
_STEP_FOLDER = re.compile(r"step-(\d+)")


class Digests:
    """Digests of files and folders; a file is read again only if its size or time has changed."""

    def __init__(self) -> None:
        self._cache: dict[tuple[str, int, int], str] = {}

    def of(self, path: Path) -> str | None:
        """The sha256 of a file, or one for a whole folder; None if there is neither."""
        if path.is_file():
            return self._of_file(path)
        return self._of_folder(path) if path.is_dir() else None

    def _of_file(self, file: Path) -> str:
        status = file.stat()
        key = str(file), status.st_size, status.st_mtime_ns
        if key not in self._cache:
            self._cache[key] = _digest(file)
        return self._cache[key]

    def _of_folder(self, folder: Path) -> str | None:
        """Of a run folder the weights, of any other folder all files; None if it is empty.

        The other files of a run folder (log, environment) change when a complete run is started
        again, and no stage reads them.
        """
        manifests = {
            int(found[1]): file
            for file in (folder / CHECKPOINTS).glob(f"*/{MANIFEST}")
            if (found := _STEP_FOLDER.fullmatch(file.parent.name))
        }
        if manifests:
            files = [manifests[max(manifests)], *sorted(folder.glob("*.safetensors"))]
        else:
            files = sorted(
                path for path in folder.rglob("*") if path.is_file() and is_content(path)
            )
        if not files:
            return None
        listing = "".join(f"{self._of_file(f)}  {f.relative_to(folder)}\n" for f in files)
        return hashlib.sha256(listing.encode()).hexdigest()


def _digest(file: Path) -> str:
    """The sha256 of a file; of safetensors with the header's entries sorted.

    Their library writes metadata in random order, and a complete run that is started again writes
    the same weights again.
    """
    if file.suffix != ".safetensors":
        return sha256_file(file)
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        try:
            header = json.loads(opened.read(length)) if length <= MAX_HEADER_BYTES else None
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            return sha256_file(file)  # not safetensors, whatever its name
        sha256.update(json.dumps(header, sort_keys=True).encode())
        while chunk := opened.read(2**22):
            sha256.update(chunk)
    return sha256.hexdigest()


def is_content(path: Path) -> bool:
    """Whether a file or folder is a result, not a lock or another hidden file."""
    return not path.name.startswith(".")


def has_content(folder: Path) -> bool:
    return folder.is_dir() and any(is_content(path) for path in folder.iterdir())

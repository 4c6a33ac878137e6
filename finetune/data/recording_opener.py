"""Opening the recordings of labelled sets, with a report of those that cannot be read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from video.open_source import OpenedSource, open_paths, open_source
from video.progress import show_progress
from video.recording import ReaderName, Recording


class RecordingOpener(NamedTuple):
    """Opens recordings with the same settings, whatever lists them."""

    reader: ReaderName  # preferred reader of video files
    folder_fps: float  # frame rate of folders of images
    timeout: float  # seconds after which a recording counts as unreadable
    report: Callable[[OpenedSource], None]  # receives what could and could not be opened
    stream: int | None = None  # in files with several video streams; None: the largest that lasts

    def open_source(self, source: Path) -> list[Recording]:
        """The readable recordings of a folder, a manifest or a list. Raises ManifestError."""
        return self._report(
            open_source(
                source, self.reader, self.folder_fps, self.timeout, show_progress, self.stream
            )
        )

    def open_paths(self, paths: Sequence[str]) -> list[Recording]:
        """The readable recordings among files and folders of images."""
        return self._report(
            open_paths(
                paths, self.reader, self.folder_fps, self.timeout, show_progress, self.stream
            )
        )

    def _report(self, opened: OpenedSource) -> list[Recording]:
        self.report(opened)
        return opened.recordings

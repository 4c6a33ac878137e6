"""Opening the recordings of labelled sets, with a report of those that cannot be read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from video.open_source import OpenedSource, open_paths, open_source
from video.progress import show_progress
from video.recording import LARGEST, ReaderName, Recording, WantedStream


class RecordingOpener(NamedTuple):
    """Opens recordings with the same settings, whatever lists them."""

    reader: ReaderName  # preferred reader of video files
    folder_fps: float  # frame rate of folders of images
    timeout: float  # seconds after which a recording counts as unreadable
    report: Callable[[OpenedSource], None]  # receives what could and could not be opened
    stream: WantedStream = LARGEST

    def with_stream(self, number: int | None) -> "RecordingOpener":
        """The opener of a set that has a video stream of its own; None: it has not."""
        return self if number is None else self._replace(stream=self.stream._replace(number=number))

    def open_source(self, source: Path) -> list[Recording]:
        """The readable recordings of a folder, a manifest or a list. Raises ManifestError."""
        return self._report(
            open_source(
                source, self.reader, self.folder_fps, self.timeout, show_progress, self.stream
            )
        )

    def open_paths(self, paths: Sequence[str]) -> list[Recording]:
        """The readable recordings among files and folders of images."""
        streams = dict.fromkeys(paths, self.stream)
        return self._report(
            open_paths(streams, self.reader, self.folder_fps, self.timeout, show_progress)
        )

    def _report(self, opened: OpenedSource) -> list[Recording]:
        self.report(opened)
        return opened.recordings

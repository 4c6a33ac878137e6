"""Notices that the folder of a run is no longer where the run writes."""

import os
from pathlib import Path


class RunFolderLost(OSError):
    """The run folder was renamed, moved or deleted while the run was in it."""

    exit_status = 2

    def __init__(self, message: str, on_every_process: bool = False) -> None:
        super().__init__(message)
        self.on_every_process = on_every_process


class RunFolderError(OSError):
    """A file in the run folder cannot be read or written."""

    exit_status = 2


def explain_error(error: Exception, folder: Path) -> RunFolderError | None:
    """The error of a file in the run folder in one line; None for any other error."""
    name = getattr(error, "filename", None)
    if not isinstance(error, OSError) or hasattr(error, "exit_status") or name is None:
        return None
    if not Path(os.fsdecode(name)).absolute().is_relative_to(folder.absolute()):
        return None
    return RunFolderError(
        f"run: {name}: {error.strerror}; correct that, then run the same command again"
    )


class FolderWatch:
    """Knows a folder by its inode, so that neither a new name nor another folder deceives it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def find_loss(self) -> str:
        """Where the folder is now, as an error with its cure; "" while it is in its place."""
        mine = os.fstat(self._descriptor)
        try:
            if os.path.samestat(self._folder.stat(), mine):
                return ""
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:  # a file system that does not answer is not a folder that is gone
            return ""
        place = str(Path(f"/proc/self/fd/{self._descriptor}").readlink())
        if mine.st_nlink == 0 or place.endswith(" (deleted)"):
            return f"run: {self._folder} was deleted while the run wrote to it; start again"
        return (
            f"run: {self._folder} was renamed to {place} while the run wrote to it; give the same "
            f"command with run={place} to resume after its last checkpoint"
        )

    def close(self) -> None:
        os.close(self._descriptor)

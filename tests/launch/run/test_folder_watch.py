"""A run notices that its folder is gone, and says where it is."""

import errno
import shutil
from pathlib import Path

import pytest

from launch.atomic_io import write_atomic
from launch.run.folder_watch import FolderWatch, explain_error


def test_a_folder_in_its_place_is_no_loss(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    (tmp_path / "file").touch()
    assert watch.find_loss() == ""
    watch.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_renamed_folder_is_found_under_its_name(tmp_path: Path, replaced: bool) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    watch = FolderWatch(folder)
    folder.rename(tmp_path / "elsewhere")
    if replaced:
        folder.mkdir()  # another run
    assert f"was renamed to {tmp_path}/elsewhere while" in watch.find_loss()
    assert f"run={tmp_path}/elsewhere to resume" in watch.find_loss()
    watch.close()


def test_a_deleted_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    watch = FolderWatch(folder)
    shutil.rmtree(folder)
    assert watch.find_loss() == f"run: {folder} was deleted while the run wrote to it; start again"
    watch.close()


def test_an_error_of_a_file_in_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(OSError, match=r"config\.yaml") as caught:
        write_atomic(tmp_path / "config.yaml", "")
    explained = explain_error(caught.value, tmp_path)
    assert explained is not None and explained.exit_status == 2
    assert str(explained).startswith(f"run: {tmp_path}/config.yaml: Is a directory; correct that")
    assert explain_error(OSError(errno.ENOSPC, "full", "/elsewhere"), tmp_path) is None
    assert explain_error(OSError("no file"), tmp_path) is None
    assert explain_error(ValueError("x"), tmp_path) is None

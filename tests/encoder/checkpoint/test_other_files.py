"""A file that is no checkpoint is named as what it is."""

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from encoder.checkpoint.other_files import KINDS, describe_other_file
from encoder.checkpoint.safe_open import CheckpointMismatch, open_file


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_other_files_are_named_with_the_cure(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    Image.new("RGB", (9, 9)).save(file, "PNG")
    with pytest.raises(CheckpointMismatch, match="is a PNG image; give a "):
        open_file(file)
    file.write_text("Patient 1, gr\u00f6\u00dfer\n" * 99, encoding="utf-8")
    with pytest.raises(CheckpointMismatch, match="is a text file; give"):
        open_file(file)
    file.write_bytes(b"\0\0\0\x20ftypisom" + bytes(99))
    with pytest.raises(CheckpointMismatch, match="is an MP4 or MOV video; give"):
        open_file(file)
    for begins, what, cure in KINDS:
        file.write_bytes(begins + bytes(99))
        with pytest.raises(CheckpointMismatch) as refused:
            open_file(file)
        assert str(refused.value) == f"{file}: is {what}; {cure}"


def test_checkpoints_are_none_of_them(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.ones(2)}
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save(tensors, tmp_path / "b.pth")
    torch.save(tensors, tmp_path / "c.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "d.pth").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "empty.pth").write_bytes(b"")
    for file in tmp_path.iterdir():
        assert describe_other_file(file) is None

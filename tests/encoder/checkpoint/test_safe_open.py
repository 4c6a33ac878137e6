"""Files of other programs: their tensors are read, and code in them is never run."""

import argparse
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata
from encoder.checkpoint.tensor_file import read_tensors

WEIGHT = {"a.weight": torch.ones(2)}


@pytest.mark.parametrize("wrapper", ["model", "module", "state_dict", None])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module."])
def test_wrappers_and_prefixes_are_removed(tmp_path: Path, wrapper: str, prefix: str) -> None:
    tensors = {prefix + name: tensor for name, tensor in WEIGHT.items()}
    stored = {wrapper: tensors, "epoch": 3} if wrapper else tensors
    torch.save(stored, tmp_path / "file.pth")
    assert list(read_tensors(tmp_path / "file.pth")) == ["a.weight"]


def test_a_namespace_with_arguments_is_accepted(tmp_path: Path) -> None:
    torch.save({"model": WEIGHT, "args": argparse.Namespace(lr=1.0)}, tmp_path / "file.pth")
    assert list(read_tensors(tmp_path / "file.pth")) == ["a.weight"]


def test_safetensors_and_folders_are_read(tmp_path: Path) -> None:
    save_file(WEIGHT, tmp_path / "model.safetensors")
    assert list(read_tensors(tmp_path)) == list(read_tensors(tmp_path / "model.safetensors"))


class Payload:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.witness),)


def test_a_payload_is_refused_and_does_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    torch.save({"model": WEIGHT, "hook": Payload(witness)}, tmp_path / "file.pth")
    with pytest.raises(CheckpointMismatch, match=r"has posix\.mkdir besides tensors; code in a"):
        read_tensors(tmp_path / "file.pth")
    assert not witness.exists()
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Payload(witness)))
    with pytest.raises(CheckpointMismatch):
        read_tensors(tmp_path / "plain.pth")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.pth", b"", "incomplete"),
        ("text.pth", b"hello there", "is a text file"),
        ("text.safetensors", b"hello there, this is a text", "is a text file"),
    ],
)
def test_a_file_of_another_kind_is_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointMismatch, match=message) as caught:
        read_tensors(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    for name, save in (("a.pth", torch.save), ("a.safetensors", save_file)):
        file = tmp_path / name
        save({"a": torch.ones(1000)}, file)
        file.write_bytes(file.read_bytes()[:2000])
        with pytest.raises(CheckpointMismatch, match="incomplete"):
            read_tensors(file)


def test_a_missing_file_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match="no such file"):
        read_tensors(tmp_path / "nowhere.pth")
    with pytest.raises(CheckpointMismatch, match="a folder without a checkpoint"):
        read_tensors(tmp_path)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "file.pth")
    with pytest.raises(CheckpointMismatch, match="has no tensors; its keys are"):
        read_tensors(tmp_path / "file.pth")


def test_tuples_that_take_for_ever_to_hash_are_refused(tmp_path: Path) -> None:
    key: tuple = ()
    for _ in range(60):
        key = (key, key)  # 2**60 values to hash
    deep: tuple = ()
    for _ in range(500):
        deep = (deep,)
    for old in (False, True):
        for held in ([key], [deep]):
            # in a list, since Python cannot make the dictionary either
            torch.save(
                {"a": WEIGHT, "b": held}, tmp_path / "a.pth", _use_new_zipfile_serialization=not old
            )
            with pytest.raises(
                CheckpointMismatch, match=r"a\.pth: has tuples in tuples that would"
            ):
                read_tensors(tmp_path / "a.pth")


def test_numbers_of_numpy_beside_the_weights_are_accepted(tmp_path: Path) -> None:
    numbers = [np.dtype(kind).type(1) for kind in "?bBhHiIlLqQefdFD"]
    torch.save({"model": WEIGHT, "best": numbers}, tmp_path / "file.pth")
    assert list(read_tensors(tmp_path / "file.pth")) == ["a.weight"]


def test_a_long_key_is_cut_in_the_error(tmp_path: Path) -> None:
    torch.save({"k" * 10**6: 1, 10**500: 2, ("x",) * 900: 3}, tmp_path / "file.pth")
    with pytest.raises(CheckpointMismatch, match="its keys are 'kkk") as caught:
        read_tensors(tmp_path / "file.pth")
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "file.pth")
    old = zipfile.ZipFile(tmp_path / "file.pth")
    with old, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(CheckpointMismatch, match=r"bomb\.pth: is compressed, which"):
        read_tensors(tmp_path / "bomb.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_two_names_of_one_tensor_are_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"twice{suffix}"
    tensors = {"module.x": torch.zeros(2), "x": torch.ones(2)}
    save_file(tensors, file) if suffix == ".safetensors" else torch.save(tensors, file)
    with pytest.raises(
        CheckpointMismatch, match=r"'module\.x' and 'x' are the same tensor but for"
    ):
        read_tensors(file)


@pytest.mark.parametrize("text", ["{", "9" * 6000, "[" * 100_000], ids=["cut", "digits", "deep"])
def test_metadata_that_is_no_json_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "encoder.safetensors"
    save_file({"x": torch.zeros(2)}, file, {"classes": text})
    with pytest.raises(CheckpointMismatch, match="metadata 'classes' is not JSON") as caught:
        parse_metadata(file, "classes")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_numbers_that_json_has_not_are_none_so_that_none_is_written_on(tmp_path: Path) -> None:
    file = tmp_path / "encoder.safetensors"
    save_file({"w": torch.ones(1)}, file, {"run": '{"a": [NaN, -Infinity, 1]}'})
    assert parse_metadata(file, "run") == {"a": [None, None, 1]}

"""A checkpoint as users have it: a file, a folder, or the shards of a large model."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from encoder.checkpoint.safe_open import CheckpointMismatch, TensorSource, one_line, open_file

# Files of a folder; the first that exists is taken. An index lists the shards of a large model.
IN_FOLDER = (
    "encoder.safetensors",
    "classifier.safetensors",  # of a finetuning run, with the head
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "mp_rank_00_model_states.pt",  # DeepSpeed
    "zero_pp_rank_0_mp_rank_00_model_states.pt",  # DeepSpeed, ZeRO 3
)
LATEST = "latest"  # DeepSpeed's file with the name of its newest folder
MAX_MAPPED_BYTES = 2**25  # then files are closed: mapped pages count as memory of this process


class TensorFile:
    """Named tensors that are read from the disk one by one, on request.

    `tensors` have shapes and types but no data. `metadata` are plain values of the file, and of a
    `config.json` in its folder. Raises CheckpointMismatch where the file does not exist, is
    incomplete, or has objects other than tensors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = _shards(find_file(path))
        self._opened: dict[Path, TensorSource] = {}
        self._mapped_bytes = 0
        self._file_of: dict[str, Path] = {}
        self.tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, Any] = _folder_configs(self.files[0])
        for file in self.files:
            opened = self._open(file)
            self.tensors |= opened.tensors
            self._file_of |= dict.fromkeys(opened.tensors, file)
            self.metadata |= opened.metadata
            self.wrapper, self.other_wrappers = opened.wrapper, opened.other_wrappers
        if not any(tensor.numel() for tensor in self.tensors.values()):
            raise CheckpointMismatch(
                f"{path}: its tensors are empty, as in ZeRO 3 of DeepSpeed, which shards weights; "
                "merge them with the zero_to_fp32.py of that folder, and give the merged file"
            )

    def read(self, name: str) -> Tensor:
        """One tensor as it is stored."""
        if self._mapped_bytes > MAX_MAPPED_BYTES:
            self._opened.clear()
            self._mapped_bytes = 0
        tensor = self._open(self._file_of[name]).read(name)
        self._mapped_bytes += tensor.nbytes
        return tensor

    def _open(self, file: Path) -> TensorSource:
        if file not in self._opened:
            self._opened[file] = open_file(file)
        return self._opened[file]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file at once; raises what TensorFile raises."""
    file = TensorFile(path)
    return {name: file.read(name) for name in file.tensors}


def find_file(path: Path) -> Path:
    """The file itself, or the one to read in a folder; raises CheckpointMismatch."""
    if path.is_file():
        return path
    for name in IN_FOLDER:
        if (path / name).is_file():
            return path / name
    if (path / LATEST).is_file():
        newest = Path((path / LATEST).read_text(errors="replace").strip()).name
        if newest and newest != LATEST:
            return find_file(path / newest)
    if (path / "checkpoints").is_dir():
        raise CheckpointMismatch(
            f"{path}: an unfinished run; write its newest weights with "
            f"`python -m launch consolidate {path} OUT.safetensors`, and give that file"
        )
    names = ", ".join(IN_FOLDER[:3] + IN_FOLDER[4:5])
    problem = f"a folder without a checkpoint ({names} ...)" if path.is_dir() else "no such file"
    raise CheckpointMismatch(f"{path}: {problem}; give a .safetensors or .pth file")


def _shards(file: Path) -> list[Path]:
    if not file.name.endswith(".index.json"):
        return [file]
    try:
        named = {Path(name).name for name in json.loads(file.read_text())["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointMismatch(f"{file}: is not an index of shards ({one_line(error)})") from None
    shards = [file.with_name(name) for name in sorted(named)]
    for shard in shards:
        if not shard.is_file():
            raise CheckpointMismatch(f"{shard}: is missing, but {file.name} lists it; copy it too")
    return shards


def _folder_configs(file: Path) -> dict[str, Any]:
    """Values of the JSON files in a Hugging Face folder."""
    if not file.name.startswith(("model.", "model-", "pytorch_model")):
        return {}
    values: dict[str, Any] = {}
    for name in ("config.json", "preprocessor_config.json"):
        config = file.with_name(name)
        if not config.is_file():
            continue
        try:
            content = json.loads(config.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointMismatch(f"{config}: is not JSON ({one_line(error)})") from None
        values |= content if isinstance(content, dict) else {}
    return values

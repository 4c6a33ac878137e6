"""A checkpoint as users have it: a file, a folder, or the parts of a large one."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from encoder.checkpoint.safe_open import CheckpointMismatch, TensorSource, one_line, open_file

# Files that a folder may hold, the first of them counts; an index names the parts of a large one.
IN_FOLDER = (
    "encoder.safetensors",
    "classifier.safetensors",  # of a finetuning run, with its head
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "mp_rank_00_model_states.pt",  # DeepSpeed
    "zero_pp_rank_0_mp_rank_00_model_states.pt",  # DeepSpeed, ZeRO 3
)
LATEST = "latest"  # DeepSpeed's pointer to the newest of its folders
OPEN_BYTES = 2**25  # pages of a mapped file count as memory of this process until it is closed


class TensorFile:
    """Named tensors that are read from the disk one by one, when they are asked for.

    `tensors` have shapes and types but no data. `recorded` are plain values that the file, or a
    `config.json` beside it, holds as well. Raises CheckpointMismatch where there is no such file,
    it is not whole, or it holds objects other than tensors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = _parts(find_file(path))
        self._opened: dict[Path, TensorSource] = {}
        self._touched = 0
        self._file_of: dict[str, Path] = {}
        self.tensors: dict[str, Tensor] = {}
        self.metadata: dict[str, Any] = _configs_beside(self.files[0])
        for file in self.files:
            opened = self._open(file)
            self.tensors |= opened.tensors
            self._file_of |= dict.fromkeys(opened.tensors, file)
            self.metadata |= opened.metadata
            self.wrapper, self.other_wrappers = opened.wrapper, opened.other_wrappers
        if not any(tensor.numel() for tensor in self.tensors.values()):
            raise CheckpointMismatch(
                f"{path}: its tensors are empty, as where DeepSpeed's ZeRO 3 keeps weights in "
                "pieces; join them with the zero_to_fp32.py beside them and give that file"
            )

    def read(self, name: str) -> Tensor:
        """One tensor as the file holds it."""
        if self._touched > OPEN_BYTES:
            self._opened.clear()
            self._touched = 0
        tensor = self._open(self._file_of[name]).read(name)
        self._touched += tensor.nbytes
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
    """The file itself, or the one that counts in a folder; raises CheckpointMismatch."""
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
            f"{path}: a run that has not ended; give what python -m launch consolidate {path} "
            "OUT.safetensors writes of the weights that it has by now"
        )
    known = ", ".join(IN_FOLDER[:3] + IN_FOLDER[4:5])
    what = f"a folder without a checkpoint ({known} ...)" if path.is_dir() else "no such file"
    raise CheckpointMismatch(f"{path}: {what}; give a .safetensors or .pth file")


def _parts(file: Path) -> list[Path]:
    if not file.name.endswith(".index.json"):
        return [file]
    try:
        named = {Path(name).name for name in json.loads(file.read_text())["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointMismatch(f"{file}: no list of parts ({one_line(error)})") from None
    parts = [file.with_name(name) for name in sorted(named)]
    for part in parts:
        if not part.is_file():
            raise CheckpointMismatch(f"{part}: is missing; {file.name} names it, copy it as well")
    return parts


def _configs_beside(file: Path) -> dict[str, Any]:
    """What the JSON files of a Hugging Face folder say; nothing where there are none."""
    if not file.name.startswith(("model.", "model-", "pytorch_model")):
        return {}
    said: dict[str, Any] = {}
    for name in ("config.json", "preprocessor_config.json"):
        config = file.with_name(name)
        if not config.is_file():
            continue
        try:
            held = json.loads(config.read_text())
        except (OSError, ValueError) as error:
            raise CheckpointMismatch(f"{config}: is not JSON ({one_line(error)})") from None
        said |= held if isinstance(held, dict) else {}
    return said

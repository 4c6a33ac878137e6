"""The import graph, the doors to heavy libraries, and the size of files and functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "masking": set(),
    "video": set(),
    "encoder": set(),
    "launch": set(),
    "pretrain": {"masking", "video", "encoder", "launch"},
    "finetune": {"video", "encoder", "launch"},
}
DOORS = {
    "deepspeed": {"launch/training/deepspeed_private.py", "launch/training/optimizer.py"},
    "av": {
        "video/readers/container.py",
        "video/readers/packet_times.py",
        "video/readers/streams.py",
        "video/readers/probe.py",
        "video/readers/sequential.py",
        "video/readers/pyav_reader.py",
        "video/readers/spread_frames.py",
        "video/encode.py",
    },
    "decord": {"video/readers/decord_reader.py"},
    "torchcodec": {"video/readers/torchcodec_reader.py"},
    "tensorboard": {"launch/metrics/tensorboard_log.py"},
    "torch.utils.tensorboard": {"launch/metrics/tensorboard_log.py"},
    "safetensors.torch.save_file": {
        "encoder/checkpoint/save_tensors.py",
        "launch/checkpoint/save_tensors.py",
    },
    "wandb": {"launch/metrics/wandb_log.py"},
}
# Inside launch, a folder imports only from those named here and from launch's own files.
FLOORS = {
    "distributed": set(),
    "training": {"distributed"},
    "checkpoint": {"distributed", "training"},
    "capacity": {"distributed", "training"},
    "doctor": {"distributed", "training", "capacity"},
    "metrics": {"distributed", "training", "checkpoint", "capacity"},
    "run": {"distributed", "training", "checkpoint", "capacity", "doctor", "metrics"},
    "progressive": {"distributed"},
    "report": {"distributed"},
}
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, with all its parents."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[:i]) for name in names for i in range(1, name.count(".") + 2)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_folder_may(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    folder = name.split("/")[0]
    allowed = FOLDERS[folder] | {folder}
    assert not (imported(path) & FOLDERS.keys()) - allowed
    for library, doors in DOORS.items():
        assert library not in imported(path) or name in doors, f"{library} has doors {doors}"


@pytest.mark.parametrize("floor", FLOORS)
def test_folders_of_launch_import_downwards(floor: str) -> None:
    for path in sorted((ROOT / "launch" / floor).rglob("*.py")):
        names = {name.split(".")[1] for name in imported(path) if name.startswith("launch.")}
        assert not (names & FLOORS.keys()) - FLOORS[floor] - {floor}, path


def test_files_of_launch_itself_import_no_folder_when_they_load() -> None:
    for path in sorted((ROOT / "launch").glob("*.py")):
        body = ast.parse(path.read_text()).body
        for node in (each for each in body if isinstance(each, ast.ImportFrom)):
            assert node.module.partition("launch.")[2].split(".")[0] not in FLOORS, path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_can_be_read_at_once(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name
            assert node.returns is not None, f"{node.name} does not say what it returns"


@pytest.mark.parametrize("program", ["masking", "video", "encoder", "pretrain", "launch"])
def test_help_answers_without_heavy_imports(program: str) -> None:
    code = f"import runpy, sys; sys.argv = ['{program}', '--help']\n"
    code += f"try: runpy.run_module('{program}', run_name='__main__')\nexcept SystemExit: pass\n"
    code += "print('\\nheavy:', sorted({'torch', 'deepspeed', 'timm', 'av'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "usage: python -m" in done.stdout
    assert done.stdout.endswith("heavy: []\n")

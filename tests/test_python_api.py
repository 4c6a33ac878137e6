"""Every Python example of docs/python-api.md runs, on small files."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ROOT / "tests/former_runs"
PAGE = (ROOT / "docs/python-api.md").read_text()
EXAMPLES = re.findall(r"^## (.*?)\n.*?```python\n(.*?)```", PAGE, re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name."""
    shutil.copy(FILES / "pretrain/encoder.safetensors", tmp_path)
    shutil.copy(FILES / "finetune/predictions_test.npz", tmp_path)
    shutil.copytree(FILES / "recordings", tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", [pytest.param(code, id=title) for title, code in EXAMPLES])
@pytest.mark.usefixtures("folder")
def test_an_example_runs(code: str) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(code, "docs/python-api.md", "exec"), names)
    assert len(names) > 3


def test_every_section_has_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("\n## ")

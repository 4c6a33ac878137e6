"""A user's module adds rows without a change in this tree."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.plugins import require_plugins, take_plugins
from tests.conftest import ROOT, Outcome, outcome_of, start_python
from tests.pretrain.runs import words

PLUGIN = '''
from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

from masking import GENERATORS, Tube
from masking.grid import STRICT, Ratio


@dataclass(frozen=True, config=STRICT)
class Checker:
    """Hides what a tube of the same ratio would hide."""

    kind: Literal["checker"] = field(default="checker", kw_only=True)
    ratio: Ratio = 0.75

    def hidden(self, grid, rngs):
        return Tube(self.ratio).hidden(grid, rngs)

    def hidden_count(self, grid):
        return Tube(self.ratio).hidden_count(grid)


GENERATORS["checker"] = Checker
'''


def pretrain(folder: Path, *arguments: str) -> Outcome:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return outcome_of(start_python(["-m", "pretrain", *arguments], folder, environment))


def command(operations: Path, folder: Path) -> list[str]:
    return words(operations, folder / "run", "masking.encoder={kind: checker}")


@pytest.fixture(scope="module")
def trained(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin, and a run of three steps that uses it."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "my_masks.py").write_text(PLUGIN)
    plugins = ("plugins=[my_masks]", "schedule.steps=3")
    done = pretrain(folder, *command(operations, folder), *plugins)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_mask_of_a_plugin_trains_is_recorded_and_resumes(
    operations: Path, trained: Path, tmp_path: Path
) -> None:
    start = json.loads((trained / "run/environment.json").read_text())[0]
    digest = hashlib.sha256((trained / "my_masks.py").read_bytes()).hexdigest()
    assert start["plugins"] == {"my_masks": digest}
    longer = ("--plugins", "my_masks", "schedule.steps=4")
    shutil.copytree(trained / "run", tmp_path / "run")  # other tests read the first one
    done = pretrain(trained, *command(operations, tmp_path), *longer)
    assert done.returncode == 0, done.stderr
    assert "step-0000003" in done.stdout
    assert "plugins:\n- my_masks\n" in (tmp_path / "run/config.yaml").read_text()


def test_a_run_says_which_plugin_it_needs(operations: Path, trained: Path, tmp_path: Path) -> None:
    run = trained / "run"
    missing = pretrain(trained, "export", str(run), str(tmp_path / "out.safetensors"))
    assert missing.returncode == 2
    assert missing.stderr == (
        f"pretrain: {run / 'config.yaml'}: needs the plugins my_masks; give --plugins my_masks\n"
    )
    resumed = pretrain(trained, *words(operations, trained / "run", "schedule.steps=4"))
    assert resumed.returncode == 2 and resumed.stderr == missing.stderr
    given = pretrain(
        trained, "export", str(run), str(tmp_path / "out.safetensors"), "--plugins=my_masks"
    )
    assert given.returncode == 0, given.stderr


def test_a_plugin_that_cannot_be_imported_is_refused(operations: Path, tmp_path: Path) -> None:
    done = pretrain(tmp_path, *words(operations, tmp_path / "run"), "plugins=[absent_module]")
    assert done.returncode == 2 and done.stderr.startswith(
        "pretrain: plugins: absent_module cannot be imported (ModuleNotFoundError"
    )
    (tmp_path / "broken.py").write_text("1 / 0\n")
    broken = pretrain(tmp_path, "demo", "--plugins", "broken", "--check")
    assert broken.returncode == 2 and "broken cannot be imported (ZeroDivision" in broken.stderr
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    leaving = pretrain(tmp_path, "demo", "--plugins", "leaving", "--check")
    assert leaving.returncode == 2 and "leaving cannot be imported (SystemExit" in leaving.stderr


def test_the_option_wants_names() -> None:
    assert take_plugins(["demo", "run=x"]) == ["demo", "run=x"]
    with pytest.raises(ConfigError, match="--plugins: give names of modules"):
        take_plugins(["demo", "--plugins"])


def test_a_file_cannot_make_a_program_import_a_module(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml: needs the plugins antigravity; give"):
        require_plugins(["antigravity"], "a.yaml")
    assert "antigravity" not in sys.modules

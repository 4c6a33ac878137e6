"""Labelled recordings, and runs on them that several tests look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.finetune.runs import finetune, words

SPLIT = "train: [operation01, operation02]\nval: [operation03]\ntest: [operation04]\n"


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four synthetic recordings, their phases, and a split."""
    from video.synthetic import synthesize  # after the import hook

    folder = tmp_path_factory.mktemp("labelled")
    synthesize(folder, 4, seconds=12, size=48, seed=0)
    (folder / "split.yaml").write_text(SPLIT)
    return folder


@pytest.fixture(scope="session")
def finished(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete run on one process; tests do not change it."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    done = finetune(*words(labelled, run), PYTHONHASHSEED="random")  # a new process
    assert done.returncode == 0, done.stderr
    (run / "output.txt").write_text(done.stdout)
    return run


@pytest.fixture
def single_process() -> Iterator[None]:
    """A process group of one process."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()

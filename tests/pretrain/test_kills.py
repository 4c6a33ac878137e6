"""SIGKILL at random times during a save: a valid checkpoint is left, and the run resumes."""

import random
import time
from pathlib import Path

import pytest

from launch.checkpoint.store import complete_checkpoints, newest_valid_checkpoint, step_of
from tests.conftest import kill_all, start_together
from tests.pretrain.runs import losses, run_alone, words

STEPS, MANY = 400, 50
# larger than the other test runs, so that a save takes a while
SAVING = (
    "encoder={embed_dim: 192, depth: 4, num_heads: 3, num_frames: 4, image_size: 64}",
    "decoder={embed_dim: 96, depth: 2, num_heads: 3}",
    f"schedule={{steps: {STEPS}, warmup: 0.2}}",
    "checkpoint={every_steps: 1, keep_last: 2}",
)


def kill_while_saving(command: list[str], run: Path, chance: random.Random) -> None:
    """Starts the run and kills it a random time after a random one of its saves has begun."""
    saves, seen = chance.randint(1, 4), set[str]()
    started = start_together(["-m", "pretrain", *command], 1)
    while len(seen) < saves and started[0].poll() is None:
        seen |= {path.name for path in (run / "checkpoints").glob("step-*.tmp")}
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, 0.06))
    kill_all(started)


@pytest.mark.soak
@pytest.mark.parametrize(("kills", "asynchronous"), [(MANY, "false"), (MANY, "true")])
def test_a_run_killed_while_saving_resumes_from_a_valid_checkpoint(
    operations: Path, tmp_path: Path, kills: int, asynchronous: str
) -> None:
    run = tmp_path / "run"
    command = [*words(operations, run, *SAVING), f"checkpoint.async_save={asynchronous}"]
    chance, reached, unfinished = random.Random(kills), 0, 0
    for _ in range(kills):
        kill_while_saving(command, run, chance)
        unfinished += len(list((run / "checkpoints").glob("step-*.tmp")))
        for folder in complete_checkpoints(run / "checkpoints"):
            newest_valid_checkpoint(
                run / "checkpoints", step_of(folder)
            )  # raises where a byte is missing
            assert step_of(folder) >= reached - 1  # of the last two
        reached = newest_valid_checkpoint(run / "checkpoints").step
    assert unfinished  # some of the kills did hit a save
    one_thread = {"OMP_NUM_THREADS": "1"}  # as in the killed processes
    done = run_alone([*command, f"schedule.steps={min(STEPS, reached + 3)}"], **one_thread)
    assert done.returncode == 0, done.stderr
    assert f"from {run / 'checkpoints'}/step-{reached:07d}; " in done.stdout
    assert "warning" not in done.stdout
    if kills == MANY:
        whole = tmp_path / "whole"
        rarely = words(operations, whole, *SAVING, "checkpoint.every_steps=1000")
        assert run_alone(rarely, **one_thread).returncode == 0
        assert losses(run)[:reached] == losses(whole)[:reached]

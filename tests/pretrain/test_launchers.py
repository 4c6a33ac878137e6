"""The same command line under every launcher, on one node and on two."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANG_LIMIT, ROOT, free_port, launcher_free_environment, wait_until
from tests.pretrain.runs import log_of, losses, words

BIN = Path(sys.executable).parent
TORCHRUN = (str(BIN / "torchrun"),)
DEEPSPEED = (str(BIN / "deepspeed"),)


def start(command: list[str], cwd: Path = ROOT, **environment: str) -> "subprocess.Popen[str]":
    """In a process group of its own, as a shell starts it."""
    base = {**launcher_free_environment(), "OMP_NUM_THREADS": "1"}
    base["PATH"] = f"{BIN}:{base['PATH']}"
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**base, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(*launchers: "subprocess.Popen[str]") -> list[str]:
    outputs = []
    try:
        for launcher in launchers:
            outputs.append(launcher.communicate(timeout=HANG_LIMIT)[0])
    finally:
        for launcher in launchers:
            if launcher.poll() is None:
                os.killpg(launcher.pid, signal.SIGKILL)
    return outputs


@pytest.fixture
def two_steps(operations: Path, tmp_path: Path) -> list[str]:
    return words(operations, tmp_path / "run", "schedule={steps: 2, warmup: 0}")


LOCAL = str(ROOT / "launch/local.sh")


def test_local_sh_starts_in_the_current_folder_and_deepspeed_says_nothing(
    two_steps: list[str], operations: Path, tmp_path: Path
) -> None:
    port = str(free_port())
    command = [LOCAL, "pretrain", *two_steps, "run=run"]
    launcher = start(command, tmp_path, PROCESSES="2", MASTER_PORT=port)
    (output,) = end(launcher)
    assert launcher.returncode == 0, output
    assert f"{operations}: not looked at: 2 .txt\nopening 2 recordings\n" in output
    assert "deepspeed" not in output.replace("(deepspeed)", "").lower()
    assert output.count("hardware: 2 processes (deepspeed): 2 on ") == 1
    assert f"master 127.0.0.1:{port}; CPU" in output
    assert len(losses(tmp_path / "run")) == 2


@pytest.mark.soak
def test_torchrun(two_steps: list[str], tmp_path: Path) -> None:
    port = f"--master_port={free_port()}"
    launcher = start([*TORCHRUN, "--nproc_per_node=2", port, "-m", "pretrain", *two_steps])
    (output,) = end(launcher)
    assert launcher.returncode == 0, output
    assert output.count("hardware: 2 processes (torchrun)") == 1
    assert len(losses(tmp_path / "run")) == 2


@pytest.mark.soak
def test_torchrun_on_two_nodes(two_steps: list[str], tmp_path: Path) -> None:
    meet = (
        "--nnodes=2",
        "--nproc_per_node=1",
        f"--rdzv_endpoint=127.0.0.1:{free_port()}",
        "--rdzv_backend=c10d",
        "--rdzv_id=7",
    )
    command = [*TORCHRUN, *meet, "-m", "pretrain", *two_steps]
    nodes = [start(command), start(command)]
    outputs = end(*nodes)
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert "".join(outputs).count("hardware: 2 processes (torchrun)") == 1
    assert len(losses(tmp_path / "run")) == 2


@pytest.mark.soak
def test_deepspeed_on_two_nodes_of_a_hostfile(two_steps: list[str], tmp_path: Path) -> None:
    (tmp_path / "hostfile").write_text("127.0.0.1 slots=1\nlocalhost slots=1\n")
    port = str(free_port())
    nodes = []
    for rank in ("0", "1"):
        options = (
            "--hostfile",
            str(tmp_path / "hostfile"),
            "--no_ssh",
            "--node_rank",
            rank,
            "--master_addr",
            "127.0.0.1",
            "--master_port",
            port,
        )
        nodes.append(start([*DEEPSPEED, *options, "--module", "pretrain", *two_steps]))
    outputs = end(*nodes)
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert "".join(outputs).count("hardware: 2 processes (deepspeed)") == 1
    assert len(losses(tmp_path / "run")) == 2


@pytest.mark.soak
def test_a_key_press_ends_local_sh_in_order(operations: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=10")
    port = str(free_port())
    started = start([LOCAL, "pretrain", *endless], PROCESSES="2", MASTER_PORT=port)
    wait_until((run / "checkpoints/step-0000010").is_dir, started)
    os.killpg(started.pid, signal.SIGINT)
    (output,) = end(started)
    step = log_of(run)[-1]["step"]
    last = output.splitlines()[-1]
    assert last == f"pretrain: stopped by SIGINT after step {step}, which is saved"
    assert started.returncode == 75
    assert "Traceback" not in output and "Killing" not in output


@pytest.mark.soak
def test_local_sh_names_a_process_that_was_killed(operations: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=10")
    port = str(free_port())
    command = [LOCAL, "pretrain", *endless]
    started = start(command, PROCESSES="1", MASTER_PORT=port, DEEPSPEED_LOG="info")
    wait_until((run / "checkpoints/step-0000010").is_dir, started)
    owner = (run / ".lock").read_text()
    os.kill(int(re.findall(r"\d+", owner)[0]), signal.SIGKILL)
    (output,) = end(started)
    assert "spawned with command" in output  # deepspeed tells what it starts, for it was asked to
    assert output.splitlines()[-1].startswith("local.sh: ended with status 247; a process was kil")


@pytest.mark.soak
@pytest.mark.parametrize("launcher", ["torchrun", "deepspeed"])
def test_a_stop_reaches_the_run_through_its_launcher(
    operations: Path, tmp_path: Path, launcher: str
) -> None:
    run = tmp_path / "run"
    endless = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=10")
    commands = {
        "torchrun": [*TORCHRUN, "--nproc_per_node=2", f"--master_port={free_port()}", "-m"],
        "deepspeed": [
            *DEEPSPEED,
            "--num_accelerators=2",
            f"--master_port={free_port()}",
            "--module",
        ],
    }
    started = start([*commands[launcher], "pretrain", *endless])
    wait_until((run / "checkpoints/step-0000010").is_dir, started)
    os.killpg(started.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    (output,) = end(started)
    step = log_of(run)[-1]["step"]
    assert f"after step {step}, which is saved" in output
    assert (run / f"checkpoints/step-{step:07d}").is_dir()
    assert started.returncode not in (0, None)


@pytest.mark.soak
@pytest.mark.parametrize("killed", ["torchrun", "deepspeed", "deepspeed.launcher.launch"])
def test_no_process_trains_on_after_its_launcher_was_killed(
    operations: Path, tmp_path: Path, killed: str
) -> None:
    run = tmp_path / "run"
    endless = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=10")
    port = f"--master_port={free_port()}"
    if killed == "torchrun":
        command = [*TORCHRUN, "--nproc_per_node=2", port, "-m"]
    else:
        command = [*DEEPSPEED, "--num_accelerators=2", port, "--module"]
    started = start([*command, "pretrain", *endless])
    wait_until((run / "checkpoints/step-0000010").is_dir, started)
    pid = started.pid
    if killed == "deepspeed.launcher.launch":
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pid = int(child)
    os.kill(pid, signal.SIGKILL)
    (output,) = end(started)  # when the last process has closed it
    step = log_of(run)[-1]["step"]
    assert f"its launcher (process {pid}) has ended without it" in output
    if killed == "torchrun":  # which has the store
        return
    assert f"after step {step}, which is saved" in output
    assert (run / f"checkpoints/step-{step:07d}").is_dir()

"""Two machines whose own names are loopback addresses: network namespaces with a cable."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.distributed.gloo_interface import (
    VARIABLE,
    interface_of,
    is_loopback,
    route_address,
    set_gloo_interface,
)
from tests.conftest import HANG_LIMIT, ROOT, free_port, kill_all, launcher_free_environment

HOSTS = {"one": "127.0.1.1 one\n10.9.0.2 two\n", "two": "127.0.1.1 two\n10.9.0.1 one\n"}
# in namespaces of its own, a machine waits for its network, then runs the program
MACHINE = (
    'echo "$1" >/proc/sys/kernel/hostname && mount --bind "$2" /etc/hosts && echo ready && '
    'read -r go && exec $3 -c "$4"'
)
PROGRAM = """
import os
import torch
from launch.distributed.process_group import all_reduce_sum, destroy_process_group
from launch.distributed.process_group import detect_processes, init_process_group
init_process_group(detect_processes(os.environ), 30)
print(all_reduce_sum(torch.ones(3)).tolist(), os.environ["GLOO_SOCKET_IFNAME"])
destroy_process_group()
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Rank 0 on machine one and rank 1 on machine two, which wait for a line of input."""
    ranks = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "one"}
    environment = launcher_free_environment() | ranks | {"MASTER_PORT": str(free_port())}
    started: list[subprocess.Popen[str]] = []
    for rank, (name, hosts) in enumerate(HOSTS.items()):
        (tmp_path / name).write_text(hosts)
        words = ("sh", name, str(tmp_path / name), sys.executable, PROGRAM)
        started.append(
            subprocess.Popen(
                ["unshare", "--net", "--uts", "--mount", "sh", "-c", MACHINE, *words],
                cwd=ROOT,
                env=environment | {"RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        if not all(machine.stdout and machine.stdout.readline() for machine in started):
            pytest.skip("this user may not make network namespaces")
        _connect(*(str(machine.pid) for machine in started))
        yield started
    finally:
        kill_all([machine for machine in started if machine.poll() is None])


def _connect(first: str, second: str) -> None:
    cable = f"ip link add cable0 netns {first} type veth peer name cable1 netns {second}"
    if subprocess.run(cable.split(), capture_output=True).returncode:
        pytest.skip("the kernel has no virtual network cables")
    for number, pid in enumerate((first, second)):
        for line in (
            f"addr add 10.9.0.{number + 1}/24 dev cable{number}",
            f"link set cable{number} up",
            "link set lo up",
        ):
            command = ["nsenter", "--target", pid, "--net", "ip", *line.split()]
            subprocess.run(command, check=True)


def test_machines_with_loopback_names_reach_each_other(
    machines: list["subprocess.Popen[str]"],
) -> None:
    for machine in machines:
        assert machine.stdin
        machine.stdin.write("go\n")
        machine.stdin.flush()
    for number, machine in enumerate(machines):
        out, err = machine.communicate(timeout=HANG_LIMIT)
        assert out.splitlines()[-1:] == [f"[2.0, 2.0, 2.0] cable{number}"], err


def test_names_addresses_and_routes() -> None:
    assert is_loopback("localhost") and is_loopback("no-such-name.invalid")
    assert not is_loopback("192.0.2.1")
    assert route_address("127.0.0.1") == route_address("no-such-name.invalid") == ""
    assert interface_of("127.0.0.1") == interface_of("::1") == "lo"
    assert interface_of("192.0.2.1") is None and interface_of("") is None


def test_what_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    monkeypatch.setenv(VARIABLE, "ib0")
    set_gloo_interface(["127.0.0.1"])
    assert os.environ[VARIABLE] == "ib0"
    monkeypatch.delenv(VARIABLE)
    set_gloo_interface(["127.0.0.1", ""])
    assert VARIABLE not in os.environ
    assert "localhost: this machine's name is a loopback address" in capsys.readouterr().err

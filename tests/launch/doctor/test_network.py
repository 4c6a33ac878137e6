"""Checks of names and routes."""

import socket
from dataclasses import replace
from typing import Any

import pytest

from launch.distributed.gloo_interface import VARIABLE
from launch.distributed.process_group import Processes
from launch.doctor.network import host_name, route
from tests.launch.doctor.places import ALONE, SECOND_HOST

NAMES = {"n1": "127.0.0.1", "n2": "127.0.1.1"}


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host n2 whose name leads to 127.0.1.1, as Debian's installer writes into /etc/hosts."""

    def resolve(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host not in NAMES:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (NAMES[host], 0))]

    monkeypatch.setattr(socket, "gethostname", lambda: "n2")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("debian")
def test_a_name_on_loopback_is_told_where_there_are_other_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    found = host_name(SECOND_HOST)
    assert found.verdict == "warning"
    assert found.figure.startswith("n2 is 127.0.1.1, where others cannot reach it")
    assert "/etc/hosts" in found.cure
    monkeypatch.setenv(VARIABLE, "eth7")
    assert host_name(SECOND_HOST).verdict == "ok"
    alone = host_name(ALONE)
    assert (alone.verdict, alone.figure) == ("ok", "n2 is 127.0.1.1: enough for one host")


@pytest.mark.usefixtures("debian")
def test_a_rank_0_without_an_address_fails() -> None:
    nowhere = Processes(2, 4, 0, 2, "srun", "n9:20001")
    found = route(replace(SECOND_HOST, processes=nowhere))
    assert found and found.verdict == "failed" and "n9, has no address" in found.figure


@pytest.mark.usefixtures("debian")
def test_a_rank_0_on_loopback_is_told() -> None:
    found = route(SECOND_HOST)
    assert found and found.verdict == "warning" and "n1 is 127.0.0.1: loopback" in found.figure
    beside = Processes(1, 4, 1, 2, "srun", "n1:20001")
    found = route(replace(SECOND_HOST, processes=beside))
    assert found and found.verdict == "ok"


def test_a_single_process_has_no_route() -> None:
    assert route(ALONE) is None

"""Checks of names and routes."""

import os
import socket

from launch.distributed.gloo_interface import VARIABLE, interface_of, is_loopback, route_address
from launch.doctor.check_result import Finding, Place


def host_name(place: Place) -> Finding:
    """Whether this host's own name leads to an address that other hosts reach."""
    name = socket.gethostname()
    address = address_of(name)
    figure = f"{name} is {address}" if address else f"{name} has no address"
    values = {"name": name, "address": address, "interface": os.environ.get(VARIABLE, "")}
    if address and not is_loopback(address):
        return Finding("ok", figure, "", values)
    if not place.has_other_hosts:
        return Finding("ok", f"{figure}: enough for one host", "", values)
    if VARIABLE in os.environ:
        return Finding("ok", f"{figure}, but {VARIABLE}={os.environ[VARIABLE]}", "", values)
    # gloo's own check says whether that works
    figure += ", where others cannot reach it: gloo takes the interface of the route between hosts"
    cure = "give the name the address of its network in /etc/hosts"
    return Finding("warning", figure, cure, values)


def address_of(host: str) -> str:
    """The address to which a name leads; empty if it leads nowhere."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return ""


def route(place: Place) -> Finding | None:
    """The own address and interface towards rank 0."""
    processes = place.processes
    if processes.world_size == 1:
        return None
    host = processes.address.rpartition(":")[0]
    target = address_of(host)
    if not target:
        cure = "set MASTER_ADDR to a name or address that every host resolves"
        return Finding("failed", f"the host of rank 0, {host}, has no address", cure)
    if is_loopback(target):
        if processes.rank < processes.local_world_size:
            return Finding("ok", f"rank 0 is on this host, {host} ({target})")
        cure = "set MASTER_ADDR to the address of rank 0 in its network"
        return Finding("warning", f"rank 0 at {host} is {target}: loopback", cure)
    own = route_address(host)
    if not own:
        cure = "look at the routes (ip route), or set MASTER_ADDR to an address of another network"
        return Finding("failed", f"no route to rank 0 at {host} ({target})", cure)
    interface = interface_of(own) or "unknown interface"
    values = {"from": own, "to": target, "interface": interface}
    return Finding("ok", f"from {own} ({interface}) to {host} ({target})", "", values)

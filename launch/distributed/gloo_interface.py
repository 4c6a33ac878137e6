"""The network interface of gloo where a machine's own name is one of its loopback addresses.

Debian and Ubuntu write `127.0.1.1 NAME` into /etc/hosts. Gloo tells the others the address of the
own name, by which no other machine reaches it.
"""

import fcntl
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "GLOO_SOCKET_IFNAME"
SIOCGIFADDR = 0x8915  # of Linux's netdevice(7): the IPv4 address of an interface
PORT = 9  # of no meaning: nothing is sent


def set_gloo_interface(addresses: Sequence[str]) -> None:
    """Sets the variable to the interface of the route to the first address that has one.

    `addresses` are of other machines. Nothing changes where the variable is set, or where this
    machine's name is an address for others.
    """
    name = socket.gethostname()
    if VARIABLE in os.environ or not is_loopback(name):
        return
    found = (interface_of(route_address(address)) for address in addresses if address)
    interface = next(filter(None, found), None)
    if interface is None:
        sys.stderr.write(
            f"warning: {name}: this machine's name is a loopback address, which other machines "
            f"cannot reach; correct /etc/hosts, or set {VARIABLE} to its network interface\n"
        )
    else:
        os.environ[VARIABLE] = interface


def is_loopback(name: str) -> bool:
    """Whether a name's first address is a loopback one, or the name is unknown."""
    try:
        address = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return True
    return _ip(str(address)).is_loopback


def route_address(host: str) -> str:
    """The address of this machine on the route to a host; empty if that is loopback, or none."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)  # of a datagram socket: chooses the route only
            address = str(probe.getsockname()[0])
    except OSError:
        return ""
    return "" if _ip(address).is_loopback else address


def interface_of(address: str) -> str | None:
    """The network interface that has an address."""
    return _interfaces().get(str(_ip(address))) if address else None


def _interfaces() -> Mapping[str, str]:
    """The interfaces of this machine by address."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
            except OSError:  # it has no IPv4 address
                continue
            found[socket.inet_ntoa(answer[20:24])] = name
    six = Path("/proc/net/if_inet6")
    for line in six.read_text().splitlines() if six.is_file() else []:
        digits, *_, name = line.split()
        found[str(ipaddress.IPv6Address(int(digits, 16)))] = name
    return found


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.partition("%")[0])

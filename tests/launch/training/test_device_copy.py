"""Batches are copied to a GPU one ahead, and stay whole."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch

from launch.training.device_copy import to_device


class Clips(NamedTuple):
    clip: torch.Tensor
    recordings: tuple[str, ...]
    failures: tuple[str, ...] = ()


def test_on_a_cpu_batches_pass_as_they_are() -> None:
    batches = [Clips(torch.full((2,), number), (str(number),)) for number in range(3)]
    on_device = list(to_device(iter(batches), torch.device("cpu"), ("clip",)))
    assert all(same is batch for same, batch in zip(on_device, batches, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="copies to a GPU need one")
def test_batches_arrive_on_a_gpu_whole_while_it_computes() -> None:
    device = torch.device("cuda", 0)
    batches = [
        Clips(torch.randint(0, 256, (8, 1 << 20), dtype=torch.uint8).pin_memory(), (str(number),))
        for number in range(20)
    ]
    busy, found = torch.randn(4096, 4096, device=device), []
    for batch in to_device(iter(batches), device, ("clip",)):
        busy = (busy @ busy).tanh()
        found.append((batch.recordings, batch.clip.clone()))
    for batch, (recordings, clip) in zip(batches, found, strict=True):
        assert recordings == batch.recordings and torch.equal(clip.cpu(), batch.clip)


class Machine:
    """What a GPU is asked to do, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.current = "compute"
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(self, "copy"))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(self, "compute"))
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
        monkeypatch.setattr(torch.cuda, "Event", lambda: Event(self))


class Stream:
    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name

    def __enter__(self) -> None:
        self.machine.current = self.name

    def __exit__(self, *_: object) -> None:
        self.machine.current = "compute"

    def wait_event(self, event: "Event") -> None:
        self.machine.calls.append(f"{self.name} waits for {event.number}")


class Event:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def record(self, stream: Stream) -> None:
        assert stream.name == self.machine.current == "copy"
        self.number = self.machine.calls[-1].split()[1]  # of the copy before

    def synchronize(self) -> None:
        self.machine.calls.append(f"host waits for {self.number}")


class HostTensor:
    def __init__(self, machine: Machine, number: int) -> None:
        self.machine, self.number = machine, number

    def to(self, device: torch.device, non_blocking: bool) -> "HostTensor":
        assert device.type == "cuda" and non_blocking and self.machine.current == "copy"
        self.machine.calls.append(f"copy {self.number}")
        return self

    def record_stream(self, stream: Stream) -> None:
        assert stream.name == "compute"


def test_the_next_copy_starts_before_a_step_and_ends_before_its_source_is_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch)

    def batches() -> Iterator[Any]:
        for number in range(4):
            machine.calls.append(f"take {number}")  # which overwrites the batch before the last
            yield Clips(HostTensor(machine, number), (str(number),))  # type: ignore[arg-type]

    for batch in to_device(batches(), torch.device("cuda", 0), ("clip",)):
        machine.calls.append(f"step {batch.recordings[0]}")
    calls = machine.calls
    assert [call for call in calls if call.startswith("step")] == [f"step {n}" for n in range(4)]
    for number in range(4):
        step = calls.index(f"step {number}")
        assert calls[step - 1] == f"compute waits for {number}"
        if number < 3:
            assert calls.index(f"copy {number + 1}") < step
        if number < 2:
            assert calls.index(f"host waits for {number}") < calls.index(f"take {number + 2}")

"""The cheap checks at the start of a run, on two real processes."""

from collections.abc import Callable

PROGRAM = """
import os, resource
from launch.distributed.process_group import detect_processes
from launch.distributed.process_group import destroy_process_group, init_process_group
from launch.doctor.start import start_warnings
processes = detect_processes(os.environ)
init_process_group(processes, 600)
print(start_warnings(processes))
if processes.rank == 1:
    import torch
    torch.__version__ = "2.9.0"
    resource.setrlimit(resource.RLIMIT_NOFILE, (250, 250))
for line in start_warnings(processes):
    print(line)
destroy_process_group()
"""


def test_a_run_warns_of_what_differs_and_what_is_too_low(together: Callable) -> None:
    first, second = together(["-c", PROGRAM], 2)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout == second.stdout
    before, *lines = first.stdout.splitlines()
    assert before == "[]"
    versions, files = lines
    assert versions.startswith("warning: versions: ") and "torch 2.9.0" in versions
    assert "(rank 0)]" in versions and "(rank 1)]" in versions
    assert files.startswith("warning: open files: limit 250 ") and "(rank 1)]" in files

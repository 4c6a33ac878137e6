"""Page faults of freeing and allocating memory again."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from launch.distributed.malloc import disable_malloc_trim

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] != "usual":
    assert disable_malloc_trim(*map(int, sys.argv[2:]))
for _ in range(4):  # warms up
    held = [torch.ones(12_000_000) for _ in range(4)]
    del held
before = faults()
held = [torch.ones(12_000_000) for _ in range(4)]  # 48 MB each
print(faults() - before)
"""


def faults(way: str, *largest: int) -> int:
    command = [sys.executable, "-c", PROGRAM, way, *map(str, largest)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are read on Linux")
def test_freed_memory_is_taken_again_without_page_faults() -> None:
    usual, kept = faults("usual"), faults("kept")
    assert usual > 10_000, "the tensors are returned and taken anew, page by page"
    assert kept < usual / 20
    assert faults("kept", 40_000_000) > 10_000, "48 MB is large"

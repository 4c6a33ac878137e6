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

if sys.argv[1] != "default":
    assert disable_malloc_trim(*map(int, sys.argv[2:]))
for _ in range(4):  # warms up
    tensors = [torch.ones(12_000_000) for _ in range(4)]
    del tensors
before = faults()
tensors = [torch.ones(12_000_000) for _ in range(4)]  # 48 MB each
print(faults() - before)
"""


def faults(mode: str, *largest: int) -> int:
    command = [sys.executable, "-c", PROGRAM, mode, *map(str, largest)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are read on Linux")
def test_freed_memory_is_reused_without_page_faults() -> None:
    default, untrimmed = faults("default"), faults("untrimmed")
    assert default > 10_000, "freed tensors are returned to the kernel"
    assert untrimmed < default / 20
    assert faults("untrimmed", 40_000_000) > 10_000, "48 MB is large"

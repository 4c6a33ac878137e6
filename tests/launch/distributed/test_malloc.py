"""Page faults of freeing and allocating memory again."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, resource
import torch
from launch.distributed.malloc import disable_malloc_trim

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def measure(*largest, keeps=True):
    if keeps:
        assert disable_malloc_trim(*largest)
    for _ in range(4):  # warms up
        held = [torch.ones(12_000_000) for _ in range(4)]
        del held
    before = faults()
    held = [torch.ones(12_000_000) for _ in range(4)]  # 48 MB each
    print(faults() - before, flush=True)

# each in a process of its own, for the settings of malloc cannot be taken back
for case in (lambda: measure(keeps=False), measure, lambda: measure(40_000_000)):
    if os.fork() == 0:
        case()
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are read on Linux")
def test_freed_memory_is_taken_again_without_page_faults() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    usual, kept, kept_but_large = map(int, done.stdout.split())
    assert usual > 10_000, "the tensors are returned and taken anew, page by page"
    assert kept < usual / 20
    assert kept_but_large > 10_000, "48 MB is large"

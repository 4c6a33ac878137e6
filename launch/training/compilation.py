"""Whether the layers of a model are compiled with torch.compile."""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import torch

from launch.config import EngineConfig
from launch.distributed.process_group import gather_objects

COMPILERS = ("gcc", "cc", "clang")  # of C, for triton's launchers


def choose_compile(
    config: EngineConfig, device: torch.device, report: Callable[[str], None]
) -> bool:
    """engine.compile; `auto` is true on a GPU below ZeRO stage 3, where all processes can compile.

    With `auto`, code that cannot be compiled runs uncompiled. `report` gets a line where `auto`
    compiles nothing for want of a compiler. Every process calls it.
    """
    if config.compile != "auto":
        return config.compile
    if device.type != "cuda" or config.stage == 3:
        return False
    missing = next(filter(None, gather_objects(missing_compiler())), "")
    if missing:
        report(f"engine.compile: nothing is compiled, so steps are slower: {missing}")
        return False
    import torch._dynamo.config as dynamo  # takes half a second

    dynamo.suppress_errors = True
    report("engine.compile: compiling on the first step, which takes up to some minutes")
    return True


def missing_compiler() -> str:
    """What torch.compile needs on a GPU and this machine lacks, with the cure; "" if nothing."""
    if find_spec("triton") is None:
        return "triton is missing; pip install triton"
    names = (os.environ.get("CC", ""), *COMPILERS)
    if not any(shutil.which(name) for name in names if name):
        return "there is no C compiler; install gcc, or name one in the environment variable CC"
    return ""

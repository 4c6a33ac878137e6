"""Checks of what is installed: versions, the compiler, DeepSpeed."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from launch.doctor.check_result import Finding, Place
from launch.training.deepspeed_private import import_deepspeed
from launch.version import NAME, VERSION

# By the type of a device, what names the compiler of torch.compile, and its candidates.
COMPILERS = {"cuda": ("CC", ("gcc", "clang")), "cpu": ("CXX", ("g++", "clang++"))}
PROGRAM = "#include <Python.h>\nint main(void) { return PY_MAJOR_VERSION == 0; }\n"


def versions(place: Place) -> Finding:
    """Those that must be the same on all processes."""
    try:
        deepspeed = importlib.metadata.version("deepspeed")
    except importlib.metadata.PackageNotFoundError:
        return Finding("failed", "DeepSpeed is missing", "pip install -r requirements.txt")
    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    release = str(torch.__version__).partition("+")[0]
    text = f"{NAME} {VERSION}, Python {platform.python_version()}, torch {release} {built}"
    figure = f"{text}, DeepSpeed {deepspeed}"
    values = {
        NAME: VERSION,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torch_cuda": str(torch.version.cuda),
        "deepspeed": deepspeed,
    }
    return Finding("ok", figure, "", values, alike=figure)


def compiler(place: Place) -> Finding:
    """Whether torch.compile can build its code: with triton for a GPU, in C++ for a CPU."""
    device = "cuda" if place.on_gpu else "cpu"
    triton = _installed("triton")
    variable, candidates = COMPILERS[device]
    named = os.environ.get(variable)
    command = next(filter(shutil.which, [named] if named else candidates), None)
    if command is None:
        wanted = f"{variable}={named}" if named else " or ".join(candidates)
        cure = "install it, or keep engine.compile=false"
        return Finding("warning", f"{wanted} is not on PATH", cure)
    if problem := _compile_problem(command):
        cure = "install the headers of Python (python3-dev), or keep engine.compile=false"
        return Finding("warning", f"{command} cannot compile Python.h: {problem}", cure)
    values = {"compiler": command, "triton": triton}
    if device == "cuda" and not triton:
        cure = "pip install triton, or keep engine.compile=false"
        return Finding("warning", f"{command}, no triton", cure, values)
    return Finding(
        "ok", f"{command}, triton {triton or 'none, which a CPU does not need'}", "", values
    )


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _compile_problem(command: str) -> str:
    with TemporaryDirectory(prefix="doctor-") as folder:
        language = "c++" if "++" in command else "c"
        source = Path(folder) / "program.txt"
        source.write_text(PROGRAM)
        include = sysconfig.get_path("include")
        words = [
            command,
            "-x",
            language,
            str(source),
            f"-I{include}",
            "-c",
            "-o",
            f"{folder}/out.o",
        ]
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        except OSError as error:
            return str(error.strerror)
    lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
    return lines[0] if done.returncode else ""


def deepspeed(place: Place) -> Finding:
    """Whether DeepSpeed can be imported, and has the accelerator of the device."""
    device = place.processes.device
    accelerator = import_deepspeed(device).get_accelerator().device_name()
    values = {"accelerator": accelerator, "device": device.type}
    if accelerator != device.type:
        figure = f"its accelerator is {accelerator}, but the device is {device.type}"
        chosen = os.environ.get("DS_ACCELERATOR")
        wrong = f"unset DS_ACCELERATOR (it is {chosen})" if chosen else "install torch with CUDA"
        return Finding("failed", figure, wrong, values)
    return Finding("ok", f"accelerator {accelerator}", "", values)

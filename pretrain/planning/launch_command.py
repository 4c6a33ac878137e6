"""The command line of a planned run."""

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pretrain.config import PretrainConfig
from pretrain.planning.hardware import Chosen, Hardware

WIDTH = 100
SOURCE = "/videos"


class RecipeCall(NamedTuple):
    """A recipe and its overrides, as the user named them."""

    recipe: str
    overrides: Sequence[str]


def describe_command(
    config: PretrainConfig, hardware: Hardware, chosen: Chosen, call: RecipeCall
) -> Iterator[str]:
    """What to type: on one machine, and for SLURM."""
    per_node = _per_node(hardware)
    words = ["pretrain", call.recipe, *_overrides(config, hardware, chosen, call)]
    yield "type:"
    if hardware.devices == 1:
        yield from _broken(["python", "-m", *words])
    elif hardware.devices == per_node:
        yield from _broken(["torchrun", "--nproc_per_node", str(per_node), "-m", *words])
    gpus = [f"--gpus-per-node={per_node}"] * hardware.on_gpu
    nodes = [f"--nodes={hardware.devices // per_node}", f"--ntasks-per-node={per_node}"]
    cores = f"--cpus-per-task={worker_count(config, hardware) + 1}"
    yield from _broken(["sbatch", *nodes, *gpus, cores, "launch/slurm/run.sbatch", *words])


def worker_count(config: PretrainConfig, hardware: Hardware) -> int:
    """Loader workers of each process: all cores but the one that trains."""
    return config.data.workers if hardware.cores is None else max(1, hardware.cores - 1)


def _per_node(hardware: Hardware) -> int:
    """The most that divide the devices evenly into nodes."""
    sizes = range(1, hardware.links.devices_per_node + 1)
    return max(size for size in sizes if hardware.devices % size == 0)


def _overrides(
    config: PretrainConfig, hardware: Hardware, chosen: Chosen, call: RecipeCall
) -> list[str]:
    """The user's, and behind them those of the plan."""
    micro_batch, stage, recompute = chosen.choice
    planned = {
        "batch.micro_batch_size": str(micro_batch),
        "engine.zero_stage": str(stage),
        "engine.activation_checkpointing": str(recompute).lower(),
        "data.workers": str(worker_count(config, hardware)),
    }
    if config.engine.precision == "fp16":
        planned["engine.precision"] = "fp16"
    given = [word for word in call.overrides if word.partition("=")[0] not in planned]
    has_source = any(word.startswith(("data.source", "data=")) for word in given)
    source = [] if has_source else [f"data.source={SOURCE}"]
    return [*source, *given, *(f"{key}={value}" for key, value in planned.items())]


def _broken(words: Sequence[str]) -> Iterator[str]:
    """A command as lines that fit into a terminal, and that a shell joins."""
    line = "  " + shlex.quote(words[0])
    for word in map(shlex.quote, words[1:]):
        if len(line) + len(word) + 3 > WIDTH:
            yield f"{line} \\"
            line = "     "
        line += f" {word}"
    yield line

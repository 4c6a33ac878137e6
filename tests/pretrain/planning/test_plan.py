"""Plans: what is counted without the hardware is what a run takes."""

import re
from itertools import takewhile
from pathlib import Path

import pytest

from pretrain.cli import export_parser, main
from pretrain.planning.cli_args import plan_parser
from tests.conftest import Outcome, call_program
from tests.pretrain.planning.commands import commands
from tests.pretrain.runs import log_of, run_alone

SMALL = ("data.clips_per_read=4", "batch={global_batch_size: 4, micro_batch_size: 4}")

SHALLOW = "encoder={size: custom, embed_dim: 384, depth: 2, num_heads: 6}"


def plan(*arguments: str) -> Outcome:
    return call_program("pretrain", lambda: main(["plan", *arguments]))


def rows(output: str) -> dict[tuple[str, str], dict[str, str]]:
    """The table of memory by ZeRO stage and activation checkpointing."""
    lines = output.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["ZeRO"])
    names = lines[head].split()
    cells = [dict(zip(names, line.split(), strict=False)) for line in lines[head + 1 : head + 9]]
    return {(row["ZeRO"], row["ckpt"]): row for row in cells}


@pytest.mark.soak
@pytest.mark.parametrize("stage", "0123")
def test_memory_is_within_a_tenth_of_a_run(operations: Path, tmp_path: Path, stage: str) -> None:
    planned = plan("small", "--cpus", "1", "--memory", "16", *SMALL)
    assert planned.returncode == 0, planned.stderr
    assert "give --hours of recordings" in planned.stdout
    done = run_alone(
        [
            "small",
            f"data.source={operations}",
            f"run={tmp_path}",
            "data.sampling={frame_rate: 12.5}",
            "data.workers=1",
            "schedule={steps: 2, warmup: 0}",
            f"engine.zero_stage={stage}",
            *SMALL,
        ]
    )
    assert done.returncode == 0, done.stderr
    last = log_of(tmp_path)[-1]
    predicted = float(rows(planned.stdout)[stage, "no"]["total"])
    assert predicted == pytest.approx(last["speed/memory_gib"], rel=0.1)


@pytest.fixture(scope="module")
def giant() -> str:
    """The plan of a giant model, with a quarter of its blocks, on 8 devices of 8 GiB."""
    machine = ("--gpus", "8", "--memory", "8", "--peak", "100", "--mfu", "0.5", "--hours", "20")
    encoder = "encoder={size: custom, embed_dim: 1408, depth: 10, num_heads: 16, patch_size: 14}"
    batch = "batch.global_batch_size=1152"
    done = plan("giant", *machine, encoder, batch, "schedule={epochs: 100}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_micro_batch_divides_the_clips_of_a_device(giant: str) -> None:
    for row in rows(giant).values():
        micro_batch, accumulated = map(int, row["micro-batch"].split("x"))
        assert micro_batch * accumulated == 1152 // 8
        assert float(row["total"]) <= 0.95 * 8
        parts = ("weights", "grads", "optim", "activ", "temp", "fixed")
        assert float(row["total"]) == pytest.approx(sum(float(row[p]) for p in parts), abs=0.03)
    with_checkpointing, without = rows(giant)["2", "yes"], rows(giant)["2", "no"]
    sizes = [int(row["micro-batch"].split("x")[0]) for row in (with_checkpointing, without)]
    assert sizes[0] > sizes[1]


def test_time_follows_from_operations_and_mfu(giant: str) -> None:
    numbers = re.search(
        r"time: (\d+) steps = 100 epochs of 20 h; .* ([\d.]+) TFLOP per clip", giant
    )
    steps, flops = int(numbers[1]), float(numbers[2])
    per_step, hours = re.search(
        r"clips/s, ([\d.]+) s per step, ([\d.]+) h in total", giant
    ).groups()
    assert float(per_step) == pytest.approx(1152 * flops / (8 * 100 * 0.5), rel=0.01)
    assert float(hours) == pytest.approx(steps * float(per_step) / 3600, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["surgery_base", "--gpus", "3"], "1024 clips cannot be split over 3 GPUs"),
        (["surgery_bse"], "surgery_base?"),
        (["base", "--gpus", "0"], "'0' is not a number of at least 1"),
        (["base", "--cores", "1"], "'1' is not a number of at least 2"),
        (["base", "--gpu", "h100-pci-80"], "did you mean h100-pcie-80?; give --memory and --peak"),
        (
            ["base", "--gpu", "v100-32", "engine.precision=bf16"],
            "engine.precision: bf16, which v100-32 does not have; take fp16 or fp32",
        ),
        (["base", "batch.global_batch=3"], "did you mean batch.global_batch_size?"),
    ],
)
def test_an_impossible_plan_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    done = plan(*arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def scaled(output: str) -> dict[tuple[int, int], list[str]]:
    """The table of more GPUs: its columns from the clips on, by GPUs and stage."""
    lines = output.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["GPUs", "ZeRO"])
    cells = takewhile(lambda row: row[0].isdigit(), (line.split() for line in lines[head + 1 :]))
    return {(int(row[0]), int(row[1])): row[2:] for row in cells}


def flat(output: str) -> str:
    """The output without line breaks."""
    return " ".join(output.split())


def test_more_gpus_share_the_step_and_are_less_efficient(giant: str) -> None:
    found = scaled(giant)
    assert {devices for devices, _ in found} == {8, 64, 512}
    assert {stage for _, stage in found} == {1, 2, 3}
    for (devices, stage), row in found.items():
        clips, (micro_batch, accumulated) = int(row[0].rstrip("*")), map(int, row[1].split("x"))
        assert clips == micro_batch * accumulated * devices
        sent, computing, communicating, whole, rate = map(float, row[2:7])
        hidden = min(0.5 * communicating, computing) if stage == 3 else 0
        assert whole == pytest.approx(computing + communicating - hidden, rel=0.02)
        assert rate == pytest.approx(clips / whole, rel=0.01)
        ring = (450 if devices == 8 else 8 * 400 / 8) * 0.8  # GB/s
        assert communicating == pytest.approx(sent / ring, rel=0.02)
    assert found[8, 2][0] == "1152" and found[512, 2][0] == "2048*"
    for stage in (1, 2, 3):
        shares = [int(found[devices, stage][7].rstrip("%")) for devices in (8, 64, 512)]
        assert shares == sorted(shares, reverse=True) and shares[0] > shares[2]
    assert "*: 1152 clips cannot be split evenly in reads of 4" in flat(giant)


def test_links_can_be_chosen() -> None:
    slow = plan(
        "small",
        "--gpus-per-node",
        "4",
        "--intra-node-gbs",
        "100",
        "--inter-node-gbits",
        "80",
        "--bus-efficiency",
        "0.5",
        "--overlap",
        "0",
        "batch.global_batch_size=1024",
        SHALLOW,
    )
    assert "50 and 20 GB/s in a ring of all GPUs" in flat(slow.stdout), slow.stderr
    row = list(map(float, scaled(slow.stdout)[64, 3][2:6]))
    assert row[2] == pytest.approx(row[0] / 20, rel=0.02)
    assert row[3] == pytest.approx(row[1] + row[2], rel=0.02)


def test_cpus_have_no_scaling_table() -> None:
    done = plan("small", "--cpus", "2", "--peak", "1", SHALLOW)
    assert done.returncode == 0 and "scaling" not in done.stdout
    assert "GPU" not in done.stdout
    assert re.search(r"run: micro-batch 8x\d+, ZeRO stage 2, activations stored", done.stdout)
    assert "\n  torchrun --nproc_per_node 2 -m pretrain small" in done.stdout
    assert "--gpus-per-node" not in done.stdout


def test_lines_fit_into_a_terminal(giant: str) -> None:
    assert max(map(len, giant.splitlines())) <= 100
    assert "all figures below are computed, not measured" in flat(giant)
    assert "fixed: 2 GiB assumed for CUDA's context, NCCL and fragmentation" in flat(giant)


def test_the_command_of_a_plan_has_its_values(giant: str) -> None:
    """The fixture's GPUs have 8 GiB each."""
    chosen = re.search(r"run: micro-batch (\d+)x\d+, ZeRO stage (\d), activations (\w+):", giant)
    assert chosen and chosen[3] == "stored"
    here, slurm = commands(giant)
    assert here[:5] == ["torchrun", "--nproc_per_node", "8", "-m", "pretrain"]
    assert slurm[:4] == ["sbatch", "--nodes=1", "--ntasks-per-node=8", "--gpus-per-node=8"]
    for words in (here, slurm):
        assert f"batch.micro_batch_size={chosen[1]}" in words
        assert f"engine.zero_stage={chosen[2]}" in words
        assert "engine.activation_checkpointing=false" in words
        assert "batch.global_batch_size=1152" in words  # the user's


@pytest.mark.parametrize(
    "wrong", ["--bus-efficiency=0", "--overlap=1.5", "--intra-node-gbs=nan", "--between=x"]
)
def test_impossible_links_are_refused(wrong: str) -> None:
    done = plan("small", wrong)
    assert done.returncode == 2
    assert f"{wrong.partition('=')[2]!r} is not a number from" in done.stderr.splitlines()[-1]


def test_former_names_of_options_still_work() -> None:
    former = ("--node=4", "--inside=100", "--between=80", "--reached=0.5")
    options = plan_parser().parse_args(["small", *former])
    assert (options.gpus_per_node, options.bus_efficiency) == (4, 0.5)
    assert (options.intra_node_gbs, options.inter_node_gbits) == (100, 80)
    assert not any(name.partition("=")[0] in plan_parser().format_help() for name in former)
    assert export_parser().parse_args(["run", "out", "--layout", "hf"]).to == "hf"

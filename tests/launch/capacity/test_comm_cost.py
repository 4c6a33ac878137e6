"""What is said to be sent is what real steps of DeepSpeed send, at every ZeRO stage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.capacity.comm_cost import (
    LIVE_VALUES,
    BytesSent,
    Links,
    sent_by_deepspeed,
    sent_by_paper,
    step_time,
)

PROGRAM = str(Path(__file__).parent / "traffic_program.py")
# What makes DeepSpeed do as the paper says.
AS_PAPER = {
    "use_multi_rank_bucket_allreduce": False,
    "stage3_max_reuse_distance": 0,
    "stage3_prefetch_bucket_size": 0,
    "stage3_param_persistence_threshold": 0,
}
VALUE_BYTES = {"fp32": 4, "bf16": 2}


def measured(
    together: Callable, world_size: int, precision: str, accumulation: int, *settings: str
) -> dict[int, dict]:
    outcomes = together([PROGRAM, precision, str(accumulation), *settings], world_size)
    assert [outcome.returncode for outcome in outcomes] == [0] * world_size, outcomes[0].stderr
    results = json.loads(outcomes[0].stdout.splitlines()[-1])
    return {int(stage): result for stage, result in results.items()}


def assert_sent(sent: dict[str, float], expected: BytesSent) -> None:
    """Within what padding, the norm and the agreement on overflows add."""
    reduced = sum(sent.get(kind, 0) for kind in ("all_reduce", "reduce", "reduce_scatter"))
    assert reduced == pytest.approx(expected.gradients, rel=2e-3)
    assert sent.get("all_gather", 0) == pytest.approx(expected.weights, rel=2e-3)


@pytest.mark.parametrize(
    ("world_size", "precision", "accumulation"),
    [
        (2, "fp32", 3),
        *(pytest.param(*case, marks=pytest.mark.soak) for case in ((2, "bf16", 2), (4, "fp32", 1))),
    ],
)
def test_each_stage_sends_what_is_known_of_deepspeed(
    together: Callable, world_size: int, precision: str, accumulation: int
) -> None:
    for stage, result in measured(together, world_size, precision, accumulation).items():
        step = stage, result["values"], world_size, VALUE_BYTES[precision], accumulation
        assert_sent(result["sent"], sent_by_deepspeed(*step, result["resident"]))


@pytest.mark.soak
def test_each_stage_sends_what_the_paper_says_where_deepspeed_is_told_to(
    together: Callable,
) -> None:
    results = measured(together, 2, "fp32", 3, json.dumps(AS_PAPER))
    for stage, result in results.items():
        assert_sent(result["sent"], sent_by_paper(stage, result["values"], 2, 4, 3))
    assert {"reduce", "all_gather"} <= results[2]["sent"].keys()
    assert {"reduce_scatter", "all_gather"} <= results[3]["sent"].keys()


def test_the_paper_counts_two_rounds_of_a_model_and_three_at_stage_3() -> None:
    rounds = [sent_by_paper(stage, 1000, 4, 2, 1).total / (2000 * 3 / 4) for stage in range(4)]
    assert rounds == [2, 2, 2, 3]
    accumulated = [sent_by_paper(stage, 1000, 4, 2, 5).total / 1500 for stage in range(4)]
    assert accumulated == [2, 2, 1 + 5, 3 * 5]


def test_one_process_sends_nothing() -> None:
    for stage in range(4):
        assert sent_by_paper(stage, 1000, 1, 4, 3).total == 0
        assert sent_by_deepspeed(stage, 1000, 1, 4, 3).total == 0


def test_weights_above_what_deepspeed_keeps_are_gathered_again() -> None:
    def rounds(values: int) -> float:
        return sent_by_deepspeed(3, values, 2, 2, 1).weights / values

    assert rounds(LIVE_VALUES) == rounds(1000) == 1
    assert rounds(2 * LIVE_VALUES) == 1.5
    # almost the paper's two gathers, of a model that is far above it
    assert rounds(100 * LIVE_VALUES) == pytest.approx(2, abs=0.02)


def test_a_ring_over_nodes_is_as_fast_as_all_adapters_of_a_node() -> None:
    links = Links(intra_node=450e9, inter_node=25e9, devices_per_node=8, bus_efficiency=0.5)
    assert links.bandwidth(8) == 225e9
    assert links.bandwidth(9) == 100e9
    assert links._replace(inter_node=100e9).bandwidth(512) == 225e9  # no faster than inside


def test_time_is_hidden_at_stage_3_alone_and_never_more_than_computing() -> None:
    links = Links(intra_node=1e9, bus_efficiency=1, overlap=0.5)
    sent = BytesSent(3e9, 1e9)
    assert step_time(2, 4, sent, links, 8) == (4, 4, 0)
    assert step_time(3, 4, sent, links, 8) == (4, 4, 2)
    assert step_time(3, 1, sent, links, 8).total == 4
    assert step_time(2, 4, sent, links, 8).efficiency == 0.5

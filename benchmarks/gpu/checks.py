"""The table of checks, in the order in which they run."""

from benchmarks.gpu.check import Check
from benchmarks.gpu.data_wait import measure_loading
from benchmarks.gpu.host_waits import count_waits
from benchmarks.gpu.machine import describe_machine
from benchmarks.gpu.marked_tests import run_marked_tests
from benchmarks.gpu.memory_plan import plan_base, plan_large, plan_largest
from benchmarks.gpu.numerics import compare_devices
from benchmarks.gpu.resume import compare_resumed
from benchmarks.gpu.save_stall import measure_stall
from benchmarks.gpu.several_gpus import measure_several
from benchmarks.gpu.step_profile import profile_step
from benchmarks.gpu.stop_signals import stop_runs
from benchmarks.gpu.throughput import (
    measure_base,
    measure_giant,
    measure_large,
    measure_more_clips,
)
from benchmarks.gpu.zero_stages import compare_stages

ROWS = (
    Check("machine", "is the machine ready? python -m launch doctor", 12, describe_machine),
    Check("numerics", "the device computes what the CPU does", 20, compare_devices),
    Check("zero", "ZeRO stages train alike, and skip a NaN step", 35, compare_stages),
    Check("resume", "a resumed run continues the one before", 30, compare_resumed),
    Check("waits", "the host waits for the GPU at no step", 20, count_waits),
    Check("profile", "the GPU computes all the time", 25, profile_step),
    Check("base", "speed of base, beside a bare loop and the common recipe", 65, measure_base),
    Check("base 256", "speed of base with more clips", 30, measure_more_clips),
    Check("large", "speed of large", 35, measure_large),
    Check("giant", "speed of giant", 40, measure_giant),
    Check("loading", "prepared recordings are read as fast as large trains", 30, measure_loading),
    Check("memory base", "memory is what the plan says", 12, plan_base),
    Check(
        "memory large",
        "memory is what the plan says, with activation checkpointing",
        12,
        plan_large,
    ),
    Check(
        "memory full", "memory is what the plan says, at the largest that fits", 18, plan_largest
    ),
    Check("save", "training hardly waits for asynchronous checkpoints", 25, measure_stall),
    Check("stop", "runs that are stopped, killed, or stall end as promised", 30, stop_runs),
    Check("tests", "the tests that are marked gpu pass", 20, run_marked_tests),
    Check("several", "two GPUs or more work together", 120, measure_several, gpus=2),
)
CHECKS = {row.name: row for row in ROWS}

"""Time from the command to the end of the first step, by phase.

    python -m benchmarks.startup [--recordings 10000] [--cold 1000] [--rounds 5]

Runs the small recipe with a manifest of links to one recording, in its own process: steps of two
clips at 16x224x224, every step logged, as many dataloader workers as cores. Each round runs the
program alone, timed from outside, and once with `benchmarks.startup_trace`. `--cold` is a folder of
different recordings without a manifest: they are opened and verified against sequential decoding,
then opened again with the results in the cache.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.recordings import REAL
from video.fingerprint import content_digest
from video.manifest import write_manifest
from video.readers.probe import probe
from video.synthetic import synthesize

ROOT = Path(__file__).parent.parent
FREE_BOX = b"\0\0\0\x10free"  # MP4 box of 16 bytes, 8 of them arbitrary


def make_manifest(folder: Path, recording: Path, number: int) -> None:
    """Links to a recording in several folders, with a manifest as `check` writes it."""
    recording = recording.resolve()
    checked = replace(
        probe(str(recording)),
        bytes=recording.stat().st_size,
        content=content_digest(str(recording)),
        verified="all frames",
    )
    links = [folder / f"hospital{n % 7}" / f"operation{n:05}.mp4" for n in range(number)]
    for link in links:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(recording)
    write_manifest([replace(checked, path=str(link)) for link in links], folder / "manifest.csv")


def make_copies(folder: Path, recording: Path, number: int) -> None:
    """Copies of a recording, each with different content."""
    folder.mkdir()
    content = recording.read_bytes()
    for n in range(number):
        copy = folder / f"operation{n:05}.mp4"
        copy.write_bytes(content + FREE_BOX + n.to_bytes(8, "big"))


def start(module: str, source: Path, folder: Path, *before: str) -> float:
    """Seconds until the line of the first step; `before` are arguments before those of pretrain."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    arguments = [
        "small",
        f"data.source={source}",
        f"run={folder / 'run'}",
        "log.every_steps=1",
        f"data.workers={len(os.sched_getaffinity(0))}",
        "batch={global_batch_size: 2, micro_batch_size: 2}",
    ]
    start_time = time.monotonic()
    program = subprocess.Popen(
        [sys.executable, "-m", module, *before, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )
    for line in program.stdout or ():
        if line.startswith("step 1/"):
            seconds = time.monotonic() - start_time
            program.kill()
            program.wait()
            return seconds
    raise SystemExit(f"{module} failed with status {program.wait()} before its first step")


class Phase(NamedTuple):
    """The end and the cost of a startup phase, in seconds."""

    took: float
    until: float  # since the command
    cpu: float  # CPU time of all threads of the process


def phases(source: Path, folder: Path) -> dict[str, Phase]:
    """Phases by name, in order."""
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    start_time = before = time.monotonic()
    start("benchmarks.startup_trace", source, folder, str(trace))
    result, previous_cpu = {}, 0.0
    for line in trace.read_text().splitlines():
        phase, end, cpu = json.loads(line)
        result[phase] = Phase(end - before, end - start_time, cpu - previous_cpu)
        before, previous_cpu = end, cpu
    return result


def compare(source: Path, folder: Path, rounds: int) -> None:
    plain, traced = [], []
    for _ in range(rounds):
        plain.append(start("pretrain", source, folder))
        traced.append(phases(source, folder))
        total = traced[-1]["first step"].until
        print(f"{plain[-1]:.1f} s, with tracing {total:.1f} s", flush=True)
    print(f"{'seconds, medians':32}{'took':>8}{'min':>8}{'CPU':>8}{'until':>8}")
    for name in traced[0]:
        took, until, cpu = zip(*(one[name] for one in traced), strict=True)
        columns = (
            statistics.median(took),
            min(took),
            statistics.median(cpu),
            statistics.median(until),
        )
        print(f"{name:32}" + "".join(f"{seconds:8.2f}" for seconds in columns))
    print(
        f"to the line of the first step: {statistics.median(plain):.1f} s, "
        f"min {min(plain):.1f} s ({rounds} rounds)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--cold", type=int, default=1000, help="recordings without a manifest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--recording",
        type=Path,
        help="an MP4 file (default: a real one if available, else synthetic)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (rendered,) = synthesize(folder / "rendered", 1, 4.0, 256, seed=0)
        recording = options.recording or (REAL if REAL.exists() else rendered)
        if options.rounds:
            make_manifest(folder / "listed", recording, options.recordings)
            print(f"{options.recordings} recordings in a manifest: {recording}", flush=True)
            compare(folder / "listed", folder, options.rounds)
        if options.cold:
            make_copies(folder / "copies", rendered, options.cold)
            for what in ("first time", "verified before"):
                seconds = phases(folder / "copies", folder)["recordings"].took
                print(
                    f"{options.cold} recordings of 4 s, {what}: {seconds:.1f} s, "
                    f"{1e3 * seconds / options.cold:.0f} ms each",
                    flush=True,
                )


if __name__ == "__main__":
    main()

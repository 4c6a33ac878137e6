"""Near duplicates: what hashing frames adds to `video check`, pairs per second, and false alarms.

`python -m benchmarks.near_duplicates [--folder FOLDER] [--rounds 5]` examines recordings with and
without hashing, interleaved, in CPU time of one process. Then it compares all pairs of the real
recordings in ../shared/videos, where they are, and those of made-up recordings, one by one and as
`check` does, interleaved.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.recordings import raw_recordings
from video.check.examine import examine
from video.discover import find_recordings
from video.near_duplicates import fingerprint, frame_hash
from video.near_duplicates.candidates import Stack, candidates_within
from video.near_duplicates.fingerprint import Fingerprint, parse_fingerprint, sample_times
from video.near_duplicates.match import MIN_FRAMES, compare
from video.near_duplicates.pairs import similar_within
from video.open_source import HASHED_FRAMES
from video.readers.probe import probe
from video.readers.spread_frames import spread_frames
from video.recording import Recording, UnreadableVideo

REAL = Path(__file__).parents[1] / "../shared/videos"
WHOLE = "video01_256_25fps.mp4"  # its clips are parts of it
TWO_HOURS = 7200.0
MADE_UP = {"two hours": (TWO_HOURS, 60), "one minute": (60.0, 150), "6 s": (6.0, 300)}


def cpu_seconds(path: str, hashing: bool) -> float:
    """CPU time of `check` for one recording, with or without hashing frames."""
    times = sample_times if hashing else lambda seconds: sample_times(seconds)[:0]
    with patch.object(fingerprint, "sample_times", times):
        begin = time.process_time()
        examine(path, "pyav", 1.0, lambda _: None)
        return time.process_time() - begin


def print_cost(folder: Path, rounds: int) -> None:
    print("| | check, s | with fingerprint | share | opening without a manifest, s |")
    print("|---|---|---|---|---|")
    for name, recording in raw_recordings(folder).items():
        times = [
            (cpu_seconds(recording.path, False), cpu_seconds(recording.path, True))
            for _ in range(rounds)
        ]
        without = statistics.median(one for one, _ in times)
        share = statistics.median(other / one - 1 for one, other in times)
        spread = statistics.median(_opening(recording) for _ in range(rounds))
        print(
            f"| {name} | {without:.2f} | {without * (1 + share):.2f} | {share:.1%} | {spread:.2f} |"
        )


def _opening(recording: Recording) -> float:
    times = sample_times(recording.seconds, HASHED_FRAMES).tolist()
    begin = time.process_time()
    size = frame_hash.ROWS, frame_hash.COLUMNS
    for _, image in spread_frames(recording, times, *size, lambda _: None):
        frame_hash.hash_frame(image)
    return time.process_time() - begin


def made_up(rng: np.random.Generator, seconds: float = TWO_HOURS) -> Fingerprint:
    """A recording of random frames."""
    times = sample_times(seconds)
    return Fingerprint(times, rng.integers(0, 256, (len(times), frame_hash.HASH_BYTES), np.uint8))


def one_by_one(fingerprints: list[Fingerprint]) -> set[tuple[int, int]]:
    """The pairs that match, without the search for candidates."""
    pairs = combinations(enumerate(fingerprints), 2)
    return {(n, m) for (n, one), (m, other) in pairs if compare(one, other) is not None}


def print_speed(rounds: int) -> None:
    """CPU and wall time of a pair of unrelated recordings."""
    rng = np.random.default_rng(0)
    print("| recordings of | one by one, CPU ms | search, CPU ms | search, wall ms | less CPU |")
    print("|---|---|---|---|---|")
    for name, (seconds, number) in MADE_UP.items():
        known = [made_up(rng, seconds) for _ in range(number)]
        texts, measured = [each.text() for each in known], []
        for _ in range(rounds):
            begin = time.process_time()
            expected = one_by_one(known)
            middle, wall = time.process_time(), time.perf_counter()
            found = {(pair.one, pair.other) for pair in similar_within(texts)}
            wall, end = time.perf_counter() - wall, time.process_time()
            assert found == expected
            measured.append((middle - begin, end - middle, wall))
        per_pair = 1e3 / (number * (number - 1) / 2)
        before, after, wall = np.median(measured, axis=0) * per_pair
        print(f"| {name} | {before:.4f} | {after:.4f} | {wall:.4f} | {before / after:.0f} x |")


def real_fingerprints() -> Iterator[tuple[str, Fingerprint]]:
    """Set and name of each real recording, without the parts of others, and its fingerprint."""
    for path in map(Path, find_recordings(REAL)):
        if path.parent.name == "clips":
            continue
        try:
            checked = examine(str(path), "pyav", 1.0, lambda _: None).recording
        except UnreadableVideo as failure:
            print(failure)
            continue
        parsed = parse_fingerprint(checked.fingerprint)
        assert parsed is not None
        yield str(path.relative_to(REAL)), parsed


def print_false_alarms() -> None:
    known = list(real_fingerprints())
    pairs, candidates, alarms = Counter[str](), Counter[str](), Counter[str]()
    usable = [n for n, (_, each) in enumerate(known) if len(each.times) >= MIN_FRAMES]
    stack = Stack.of([known[n][1] for n in usable])
    near = {
        (usable[n], usable[m]) for _, found in candidates_within(stack) for n, m in found.tolist()
    }
    for (n, (one, first)), (m, (other, second)) in combinations(enumerate(known), 2):
        same = one.split("/")[0] == other.split("/")[0]
        kind = one.split("/")[0] if same else "of different sets"
        pairs[kind] += 1
        candidates[kind] += (n, m) in near
        if (match := compare(first, second)) is not None:
            assert (n, m) in near, "the search for candidates loses a match"
            alarms[kind] += 1
            print(f"{one}, {other}: {match}")
    print("| pairs | number | candidates | alarms |\n|---|---|---|---|")
    for kind, number in pairs.items():
        print(f"| {kind} | {number} | {candidates[kind]} | {alarms[kind]} |")
    print_parts(dict(known))


def print_parts(known: dict[str, Fingerprint]) -> None:
    """Parts of an operation of 24 minutes that are found in it, by their length."""
    whole = next((each for path, each in known.items() if path.endswith(WHOLE)), None)
    if whole is None:
        return
    recording = probe(str(next(REAL.glob(f"*/{WHOLE}"))))
    for seconds in (5.0, 10.0, 20.0, 30.0, 60.0):
        begins = np.arange(0, recording.seconds - seconds, 60.0)
        found = sum(
            compare(whole, _part(recording, begin, seconds)) is not None for begin in begins
        )
        print(f"parts of {seconds:g} s: {found} of {len(begins)} found")


def _part(recording: Recording, begin: float, seconds: float) -> Fingerprint:
    from video.readers.random_access import read_frames

    times = sample_times(seconds)
    size = frame_hash.ROWS, frame_hash.COLUMNS
    images = read_frames(recording, (times + begin).tolist(), *size)
    return fingerprint.fingerprint_of(zip(times.tolist(), images, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, help="for synthetic recordings (a temporary one)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print_cost(options.folder or Path(temporary), options.rounds)
    print_speed(options.rounds)
    if REAL.exists():
        print_false_alarms()


if __name__ == "__main__":
    main()

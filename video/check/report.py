"""The report of `check`: problems by kind, with advice, and a table of recordings."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from video.check.problems import ADVICE, Kind, Problem
from video.near_duplicates.pairs import similar_within
from video.recording import Recording
from video.text_table import format_count, format_span, format_table, format_time, single_line

# Kinds of which a short report gives the number: the user has to decide about these recordings.
TOLD: tuple[Kind, ...] = ("damaged", "copies", "near duplicates", "blank", "streams")


def find_copies(recordings: Sequence[Recording]) -> list[Problem]:
    """Problems of recordings with the same content as an earlier one."""
    firsts: dict[str, str] = {}
    found = []
    for recording in recordings:
        first = firsts.setdefault(recording.content, recording.path)
        if first != recording.path:
            found.append(Problem("copies", recording.path, f"a copy of {first}"))
    return found


def find_near_duplicates(recordings: Sequence[Recording]) -> list[Problem]:
    """Problems of recordings that show the same as an earlier one in other bytes."""
    matches = defaultdict(list)
    for first, second, match in similar_within([each.fingerprint for each in recordings]):
        if not recordings[first].contents & recordings[second].contents:
            matches[second].append((match.evidence, recordings[first].path, match))
    found = []
    for second, of_earlier in sorted(matches.items()):
        _, first_path, match = max(of_earlier, key=lambda each: each[0])
        others = len(of_earlier) - 1
        more = f"; so do{'es' * (others == 1)} {format_count(others, 'other')}" if others else ""
        found.append(
            Problem(
                "near duplicates",
                recordings[second].path,
                f"looks like {first_path}: {match}{more}",
            )
        )
    return found


def summary(recordings: Sequence[Recording], problems: Sequence[Problem]) -> str:
    """One line: number, duration and size of the recordings, and how many are unusable."""
    hours = sum(recording.shown_seconds for recording in recordings) / 3600
    gigabytes = sum(recording.bytes or 0 for recording in recordings) / 1e9
    unusable = sum(problem.kind == "unusable" for problem in problems)
    return (
        f"{format_count(len(recordings) + unusable, 'recording')}: {len(recordings)} usable, "
        f"{hours:.2f} h, {gigabytes:.2f} GB; {unusable} unusable"
    )


def report(recordings: Sequence[Recording], problems: Sequence[Problem]) -> str:
    """The report as text."""
    lines = [
        summary(recordings, problems),
        "",
        *_by_kind(problems, len(recordings)),
        *_readers(recordings),
        *_table(recordings),
    ]
    return "\n".join(map(single_line, lines))


def short_report(
    recordings: Sequence[Recording], problems: Sequence[Problem], most: int, file: Path
) -> str:
    """The summary, and the unusable recordings by name, up to `most` of them.

    Of other problems that need a decision it has the numbers. `file` has the whole report.
    """
    unusable = [f"  {each.path}: {each.detail}" for each in problems if each.kind == "unusable"]
    more = [f"  {len(unusable) - most} more in the report"] if len(unusable) > most else []
    counts = Counter(problem.kind for problem in problems)
    others = [f"{ADVICE[kind].title.lower()}: {counts[kind]}" for kind in TOLD if counts[kind]]
    see = [f"{'; '.join(others)}; see {file}"] if others else []
    lines = [summary(recordings, problems), *unusable[:most], *more, *see]
    return "\n".join(map(single_line, lines))


def _by_kind(problems: Sequence[Problem], usable: int) -> Iterator[str]:
    kinds = defaultdict(list)
    for problem in problems:
        kinds[problem.kind].append(problem)
    for kind, advice in ADVICE.items():
        if found := kinds.get(kind):
            total = usable + len(kinds["unusable"])
            yield f"{advice.title}: {len(found)} of {total}. {advice.cure}"
            yield from (f"  {problem.path}: {problem.detail}" for problem in found)
            yield ""


def _readers(recordings: Sequence[Recording]) -> Iterator[str]:
    readers = sorted(recording.reader for recording in recordings)
    counts = ", ".join(f"{name} {len(list(group))}" for name, group in groupby(readers))
    yield f"Readers: {counts}"
    yield ""


def _table(recordings: Sequence[Recording]) -> Iterator[str]:
    header = ("size", "frames/s", "length", "key frames", "field of view", "path")
    yield from format_table([header, *(_row(recording) for recording in recordings)])


def _row(recording: Recording) -> tuple[str, ...]:
    keys = recording.key_frame_seconds
    return (
        f"{recording.width}x{recording.height}",
        f"{recording.fps:.4g}",
        format_time(recording.seconds),
        "" if keys is None else format_span(keys),
        recording.view.kind if recording.view else "",
        recording.path,
    )

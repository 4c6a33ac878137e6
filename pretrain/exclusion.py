"""Recordings that `data.exclude` keeps from training: those it names, and those that look alike."""

from launch.report.formatting import format_count
from pretrain.data_config import PretrainDataConfig
from video.exclude import exclude
from video.manifest import ManifestError
from video.near_duplicates.pairs import count_incomparable, similar_between, too_many_pairs
from video.open_source import open_paths
from video.progress import show_progress
from video.recording import LARGEST, Recording

MAX_LISTED = 20


def without_excluded(
    recordings: list[Recording], data: PretrainDataConfig
) -> tuple[list[Recording], list[Recording]]:
    """The recordings to train on, and the others. Files of the list are opened to compare them.

    Raises ManifestError where the list cannot be read, or where none is left.
    """
    if data.exclude is None:
        return recordings, []
    outcome = exclude(recordings, data.exclude)
    elsewhere, unmatched = list[Recording](), outcome.unmatched
    if outcome.unmatched_files:
        wanted = dict.fromkeys(outcome.unmatched_files.values(), LARGEST)
        opened = open_paths(wanted, data.reader, data.folder_fps, data.read_timeout, show_progress)
        elsewhere = opened.recordings
        for failure in opened.failures:
            _warn(f"{failure}; its copies are found by content only")
    similar = _similar([*outcome.excluded, *elsewhere], outcome.included)
    if similar:
        found = {path for path, _ in similar.values()}
        unmatched = [e for e in unmatched if outcome.unmatched_files.get(e) not in found]
    if data.allow_similar:
        similar = {}
    excluded = outcome.excluded + [each for each in outcome.included if each.path in similar]
    included = [each for each in outcome.included if each.path not in similar]
    print(f"data.exclude: {format_count(len(excluded), 'recording')} excluded", flush=True)
    if unmatched:
        _warn(
            f"entries of {data.exclude} that match no recording: {len(unmatched)}, the first: "
            f"{unmatched[0]}"
        )
    if not included:
        raise ManifestError(f"data.exclude: {data.exclude} excludes every recording; list fewer")
    return included, excluded


def _similar(named: list[Recording], others: list[Recording]) -> dict[str, tuple[str, str]]:
    """Of the others that look like a named one: its path, and how. All are told."""
    texts = [[each.fingerprint for each in side] for side in (named, others)]
    if note := too_many_pairs(len(named) * len(others)):
        _warn(note)
    elif named and (missing := sum(map(count_incomparable, texts))):
        _warn(
            "without a fingerprint, or with too little to see: "
            f"{format_count(missing, 'recording')}, compared by content only; "
            "`python -m video check` adds fingerprints"
        )
    similar: dict[str, tuple[str, str]] = {}
    for first, second, match in similar_between(*texts):
        similar.setdefault(others[second].path, (named[first].path, str(match)))
    for path, (known, how) in list(similar.items())[:MAX_LISTED]:
        _warn(f"{path} looks like {known} ({how}); it is left out unless data.allow_similar=true")
    if len(similar) > MAX_LISTED:
        _warn(f"{len(similar) - MAX_LISTED} more look like one that is named")
    return similar


def _warn(line: str) -> None:
    print(f"warning: data.exclude: {line}", flush=True)

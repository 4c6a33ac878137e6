"""The report of `prepare`: sizes, their ratio, and quality."""

from collections.abc import Sequence
from pathlib import Path

from video.prepare.settings import PrepareSettings
from video.prepare.transcode import TranscodeResult
from video.recording import UnreadableVideo
from video.text_table import format_count, format_table, format_time, single_line

HEADER = ("size", "frames/s", "length", "before", "after", "ratio", "GB/hour", "PSNR", "path")


def report(
    results: Sequence[TranscodeResult],
    failures: Sequence[UnreadableVideo],
    settings: PrepareSettings,
    out: Path,
) -> str:
    """A summary line, and a line for each recording with its path below `out`."""
    lines = [summary(results, settings), ""]
    lines += format_table([HEADER, *(_row(result, out) for result in results)])
    for result in results:
        if result.left_out or result.damaged:
            seconds = sum(end - begin for begin, end in result.left_out)
            lines.append(
                f"{result.recording.path}: {seconds:.1f} s left out, {result.damaged} damaged "
                "frames in the original"
            )
    if failures:
        lines += ["", f"{format_count(len(failures), 'recording')} cannot be read:"]
        lines += [f"  {failure}" for failure in failures]
    return "\n".join(map(single_line, lines))


def summary(results: Sequence[TranscodeResult], settings: PrepareSettings) -> str:
    """Number of recordings, size before and after, and the lowest PSNR."""
    before = sum(result.original_bytes for result in results)
    after = sum(result.recording.bytes or 0 for result in results)
    hours = sum(result.recording.shown_seconds for result in results) / 3600
    worst = min((result.psnr for result in results), default=0.0)
    return (
        f"{format_count(len(results), 'recording')}, {hours:.2f} h, as {settings.form}: "
        f"{before / 1e9:.3f} GB before, {after / 1e9:.3f} GB after, "
        f"{after / 1e9 / max(hours, 1e-9):.2f} GB per hour; lowest PSNR {worst:.1f} dB"
    )


def _row(result: TranscodeResult, out: Path) -> tuple[str, ...]:
    recording, after = result.recording, result.recording.bytes or 0
    return (
        f"{recording.width}x{recording.height}",
        f"{recording.fps:.4g}",
        format_time(recording.seconds),
        f"{result.original_bytes / 1e6:.1f} MB",
        f"{after / 1e6:.1f} MB",
        f"{after / max(result.original_bytes, 1):.2f}",
        f"{after / recording.shown_seconds * 3.6e-6:.2f}",
        f"{result.psnr:.1f} dB",
        str(Path(recording.path).relative_to(out)),
    )

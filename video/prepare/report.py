"""What `prepare` did, for a person: sizes, their ratio, and the loss of quality."""

from collections.abc import Sequence
from pathlib import Path

from video.prepare.settings import PrepareSettings
from video.prepare.transcode import TranscodeResult
from video.recording import UnreadableVideo
from video.text_table import format_table, format_time

HEADER = ("size", "frames/s", "length", "before", "after", "ratio", "GB/hour", "PSNR", "path")


def report(
    rewritten: Sequence[TranscodeResult],
    failures: Sequence[UnreadableVideo],
    settings: PrepareSettings,
    out: Path,
) -> str:
    """A line for all recordings, and one for each; paths start at `out`."""
    lines = [summary(rewritten, settings), ""]
    lines += format_table([HEADER, *(_row(one, out) for one in rewritten)])
    for one in rewritten:
        if one.left_out or one.damaged:
            seconds = sum(end - begin for begin, end in one.left_out)
            lines.append(
                f"{one.recording.path}: {seconds:.1f} s left out, {one.damaged} frames of the "
                "original are damaged"
            )
    if failures:
        lines += ["", f"{len(failures)} cannot be read and are missing:"]
        lines += [f"  {failure}" for failure in failures]
    return "\n".join(lines)


def summary(rewritten: Sequence[TranscodeResult], settings: PrepareSettings) -> str:
    """How many, how large before and after, and the lowest quality."""
    before = sum(one.original_bytes for one in rewritten)
    after = sum(one.recording.bytes or 0 for one in rewritten)
    hours = sum(one.recording.seconds for one in rewritten) / 3600
    worst = min((one.psnr for one in rewritten), default=0.0)
    return (
        f"{len(rewritten)} recordings, {hours:.2f} h, as {settings.form}: {before / 1e9:.3f} GB "
        f"before, {after / 1e9:.3f} GB after, {after / 1e9 / max(hours, 1e-9):.2f} GB an hour; "
        f"lowest PSNR {worst:.1f} dB"
    )


def _row(one: TranscodeResult, out: Path) -> tuple[str, ...]:
    recording, after = one.recording, one.recording.bytes or 0
    return (
        f"{recording.width}x{recording.height}",
        f"{recording.fps:.4g}",
        format_time(recording.seconds),
        f"{one.original_bytes / 1e6:.1f} MB",
        f"{after / 1e6:.1f} MB",
        f"{after / max(one.original_bytes, 1):.2f}",
        f"{after / recording.seconds * 3.6e-6:.2f}",
        f"{one.psnr:.1f} dB",
        str(Path(recording.path).relative_to(out)),
    )

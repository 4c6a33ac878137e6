"""The kinds of problems of recordings, and advice for each."""

from typing import Literal, NamedTuple

from video.config import DEFAULT_FRAME_RATE

Kind = Literal[
    "unusable",
    "damaged",
    "count",
    "reader",
    "copies",
    "near duplicates",
    "blank",
    "gaps",
    "black",
    "frozen",
    "slow",
    "unsteady",
    "key frames",
    "interlaced",
    "streams",
    "rotated",
]


class Advice(NamedTuple):
    """A kind of problem in the report."""

    title: str
    cure: str


# In the order of the report: the worst first.
ADVICE: dict[Kind, Advice] = {
    "unusable": Advice(
        "Unusable",
        "They are not in the manifest; each line says why, and what helps.",
    ),
    "damaged": Advice(
        "Damaged frames",
        "Copy them again if possible; no clips are taken from the damaged spans.",
    ),
    "reader": Advice(
        "Wrong frames with the preferred reader",
        "The manifest names the reader to use; `prepare` makes reading fast.",
    ),
    "count": Advice(
        "Frame count differs from the header",
        "The manifest has the frames that can be decoded. With far fewer than the header says, the "
        "file was cut or is damaged: copy it again.",
    ),
    "copies": Advice(
        "Copies",
        "Remove the rows of the copies from the manifest, or they are sampled twice.",
    ),
    "near duplicates": Advice(
        "Near duplicates",
        "If they show the same operation, keep one, and never both in training and test.",
    ),
    "blank": Advice(
        "Black or frozen from begin to end",
        "Look at them: they show nothing to learn. Copy them again, or remove their rows from the "
        "manifest.",
    ),
    "gaps": Advice("Gaps in time", "No action needed: no clip crosses a gap."),
    "black": Advice(
        "Black spans",
        "No action needed: clips avoid them (data.sampling.skip_segments).",
    ),
    "frozen": Advice(
        "Frozen spans",
        "No action needed: clips avoid them (data.sampling.skip_segments).",
    ),
    "slow": Advice(
        f"Fewer frames per second than clips at {DEFAULT_FRAME_RATE} frames/s",
        "Lower data.sampling.frame_rate, or clips repeat pictures; of folders, give --folder-fps.",
    ),
    "unsteady": Advice(
        "Variable frame rate",
        "Sample by data.sampling.frame_rate; a stride in frames varies in time.",
    ),
    "key frames": Advice(
        "Distant key frames, which make random access slow",
        "`prepare` them once, or take several clips per read (data.clips_per_read=4).",
    ),
    "interlaced": Advice(
        "Interlaced",
        "`prepare` them with --short-side at most half their height, which blends the fields.",
    ),
    "streams": Advice(
        "Several video streams, of which one is read",
        "It has the largest picture of those that last at least half as long as the longest. "
        "--stream, data.stream or a column `stream` beside `path` in a CSV file choose another.",
    ),
    "rotated": Advice("Stored rotated", "No action needed: readers rotate them."),
}


class Problem(NamedTuple):
    """A problem of one recording."""

    kind: Kind
    path: str
    detail: str

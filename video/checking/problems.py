"""What can be wrong with recordings, and what to do about it."""

from typing import Literal, NamedTuple

Kind = Literal[
    "unusable", "damaged", "count", "reader", "copies", "gaps", "black", "frozen", "unsteady",
    "key frames", "interlaced", "rotated",
]  # fmt: skip


class Advice(NamedTuple):
    """A kind of problem in the report."""

    title: str
    cure: str


# In the order of the report: the worst first.
ADVICE: dict[Kind, Advice] = {
    "unusable": Advice(
        "cannot be used",
        "Copy them again from where they come from; they are not in the manifest.",
    ),
    "damaged": Advice(
        "have damaged frames",
        "Copy them again if you can; clips are not taken from the damaged spans.",
    ),
    "reader": Advice(
        "are not read rightly by the usual reader",
        "The manifest names the reader that is right; `prepare` makes them fast.",
    ),
    "count": Advice(
        "announce other numbers of frames than they hold",
        "Nothing: the manifest has what can be decoded.",
    ),
    "copies": Advice(
        "are copies of others",
        "Remove the rows of the copies from the manifest, or they weigh double.",
    ),
    "gaps": Advice("have gaps in time", "Nothing: no clip crosses a gap."),
    "black": Advice(
        "show nothing for a while",
        "Nothing: clips avoid it, unless data.sampling.avoid says otherwise.",
    ),
    "frozen": Advice(
        "stand still for a while",
        "Nothing: clips avoid it, unless data.sampling.avoid says otherwise.",
    ),
    "unsteady": Advice(
        "vary in frame rate",
        "Sample by data.sampling.frame_rate; a stride in frames would vary in time.",
    ),
    "key frames": Advice(
        "have key frames far apart, so that much is decoded for little",
        "`prepare` them once, or take several clips of a reading (data.clips_per_read=4).",
    ),
    "interlaced": Advice(
        "are interlaced",
        "`prepare` with a short side of at most half their height, which blends the fields.",
    ),
    "rotated": Advice("are stored rotated", "Nothing: they are turned upright while reading."),
}


class Problem(NamedTuple):
    """Something about one recording that its owner should know."""

    kind: Kind
    path: str
    detail: str

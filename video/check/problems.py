"""What can be wrong with recordings, and what to do about it."""

from typing import Literal, NamedTuple

Kind = Literal[
    "unusable",
    "damaged",
    "count",
    "reader",
    "copies",
    "gaps",
    "black",
    "frozen",
    "unsteady",
    "key frames",
    "interlaced",
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
        "Copy them again from where they come from; they are not in the manifest.",
    ),
    "damaged": Advice(
        "Damaged frames",
        "Copy them again if you can; clips are not taken from the damaged spans.",
    ),
    "reader": Advice(
        "Not read rightly by the usual reader",
        "The manifest names the reader that is right; `prepare` makes them fast.",
    ),
    "count": Advice(
        "Other numbers of frames than announced",
        "Nothing: the manifest has what can be decoded.",
    ),
    "copies": Advice(
        "Copies",
        "Remove the rows of the copies from the manifest, or they weigh double.",
    ),
    "gaps": Advice("Gaps in time", "Nothing: no clip crosses a gap."),
    "black": Advice(
        "Black for a while",
        "Nothing: clips avoid it, unless data.sampling.skip_segments says otherwise.",
    ),
    "frozen": Advice(
        "Frozen for a while",
        "Nothing: clips avoid it, unless data.sampling.skip_segments says otherwise.",
    ),
    "unsteady": Advice(
        "Varying frame rate",
        "Sample by data.sampling.frame_rate; a stride in frames would vary in time.",
    ),
    "key frames": Advice(
        "Key frames far apart, so that much is decoded for little",
        "`prepare` them once, or take several clips of a reading (data.clips_per_read=4).",
    ),
    "interlaced": Advice(
        "Interlaced",
        "`prepare` with a short side of at most half their height, which blends the fields.",
    ),
    "rotated": Advice("Stored rotated", "Nothing: they are turned upright while reading."),
}


class Problem(NamedTuple):
    """Something about one recording that its owner should know."""

    kind: Kind
    path: str
    detail: str

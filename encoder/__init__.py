"""The vision transformer of both stages.

Axis letters, everywhere in this project: `b` clips in a batch, `t h w c` pixels of a clip (frames,
rows, columns, channels), `n` tokens of a clip, `v` visible tokens, `k` decoded tokens, `d` width,
`p` pixel values of one tubelet in the order (frame, row, column, channel).
"""

import supported_python  # noqa: F401

__version__ = "0.1.0"

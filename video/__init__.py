"""Recordings and clips: from video files to clips as uint8 arrays.

`open_source` opens and verifies recordings, `clip_sampler` draws clips, `readers` decode their
frames, `multiscale_crop` crops them, and `clip_reader` does all of it for a position of an epoch.
"""

import supported_python  # noqa: F401

__version__ = "0.1.0"

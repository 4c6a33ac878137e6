"""Ends a program of a Python that is too old, before anything is imported that would not load.

Every package imports it first. Even Python 2 must be able to read this file.
"""

import sys

OLDEST = (3, 10)

if sys.version_info < OLDEST:
    sys.stderr.write(
        "Python %d.%d or later is needed, this is %d.%d (%s); activate the environment "  # noqa: UP031
        "(. .venv/bin/activate)\n" % (OLDEST + sys.version_info[:2] + (sys.executable,))
    )
    sys.exit(2)

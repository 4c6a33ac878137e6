"""`python -m video`; heavy libraries are imported only by the command that needs them."""

import importlib
import os
import sys

from video.cli import main

PLUGINS = "SURGMASK_PLUGINS"  # names of modules that add rows to the tables

if __name__ == "__main__":
    try:
        for name in filter(None, os.environ.get(PLUGINS, "").split(",")):
            importlib.import_module(name)
    except Exception as error:
        sys.stderr.write(f"video: {PLUGINS}: {type(error).__name__}: {error}\n")
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))

"""`python -m video`; heavy libraries are imported only by the command that needs them."""

import importlib
import os
import sys

from video.cli import main

PLUGINS = "SURGMASK_PLUGINS"  # names of modules that add rows to the tables

if __name__ == "__main__":
    for name in filter(None, os.environ.get(PLUGINS, "").split(",")):
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            sys.stderr.write(
                f"video: {PLUGINS}: {name} cannot be imported ({reason}); put its folder on "
                "PYTHONPATH\n"
            )
            sys.exit(2)
    sys.exit(main(sys.argv[1:]))

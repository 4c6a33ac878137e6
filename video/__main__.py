"""`python -m video`; heavy libraries are imported only by the command that needs them."""

import sys

from video.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

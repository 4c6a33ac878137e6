"""`python -m video`: what can be done with recordings. Imports nothing heavy before it must."""

import sys

from video.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

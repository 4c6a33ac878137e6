"""`python -m encoder`."""

import sys

from encoder.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

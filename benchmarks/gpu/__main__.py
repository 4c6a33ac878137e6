"""`python -m benchmarks.gpu`. Light: every process that a check starts imports this module too."""

import sys

if __name__ == "__main__":
    from benchmarks.gpu.cli import main

    sys.exit(main(sys.argv[1:]))

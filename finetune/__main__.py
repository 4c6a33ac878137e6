"""`python -m finetune`: imports nothing heavy before it must."""

import sys

from finetune.cli import main
from launch.entrypoint import leave, run_program

if __name__ == "__main__":
    leave(run_program("finetune", lambda: main(sys.argv[1:])))

"""`python -m finetune`: imports nothing heavy before it must."""

import sys

from finetune.command import main
from launch.program import leave, run_program

if __name__ == "__main__":
    leave(run_program("finetune", lambda: main(sys.argv[1:])))

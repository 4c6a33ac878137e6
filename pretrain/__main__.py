"""`python -m pretrain`: reads the recipe, then trains. Imports nothing heavy before it must."""

import sys

from launch.entrypoint import exit_process, run_program
from pretrain.cli import main

if __name__ == "__main__":
    exit_process(run_program("pretrain", lambda: main(sys.argv[1:])))

"""`python -m pretrain`: reads the recipe, then trains. Imports nothing heavy before it must."""

import sys

from launch.entrypoint import exit_process, run_program
from launch.plugins import take_plugins
from pretrain.cli import main

if __name__ == "__main__":
    exit_process(run_program("pretrain", lambda: main(take_plugins(sys.argv[1:]))))

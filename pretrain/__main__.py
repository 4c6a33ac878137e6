"""`python -m pretrain`. Heavy libraries are imported only by the command that needs them."""

import sys

from launch.entrypoint import exit_process, run_program
from launch.plugins import take_plugins
from pretrain.cli import main

if __name__ == "__main__":
    exit_process(run_program("pretrain", lambda: main(take_plugins(sys.argv[1:]))))

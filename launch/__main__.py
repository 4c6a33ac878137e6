"""`python -m launch`. Heavy imports come only when a command needs them."""

import sys

from launch.cli import main
from launch.entrypoint import exit_process, run_program
from launch.plugins import take_plugins

if __name__ == "__main__":
    exit_process(run_program("launch", lambda: main(take_plugins(sys.argv[1:]))))

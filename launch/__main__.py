"""`python -m launch`: imports nothing heavy before it must."""

import sys

from launch.cli import main
from launch.entrypoint import exit_process, run_program

if __name__ == "__main__":
    exit_process(run_program("launch", lambda: main(sys.argv[1:])))

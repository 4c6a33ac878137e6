"""The commands that a plan prints."""

import shlex


def commands(output: str) -> list[list[str]]:
    """Those behind `type:`, as a shell splits them."""
    printed = output.partition("type:\n")[2].replace("\\\n", "")
    return [shlex.split(line) for line in printed.splitlines()]

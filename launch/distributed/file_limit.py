"""The limit on open files: every process has sockets to all others, and workers add theirs."""

import resource


def raise_file_limit() -> None:
    """Raises the soft limit of this process, and of those that it starts, to the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

"""How a chain speaks, beside what its stages say."""

import contextlib


def say(line: str) -> None:
    """Nobody hears it where the terminal is gone."""
    with contextlib.suppress(OSError):
        print(f"chain: {line}", flush=True)


def clock(time: str | None) -> str:
    """A recorded time for the eye: without its zone."""
    return time[:19].replace("T", " ") if time else "-"


def span(seconds: float) -> str:
    """A length of time to about a hundredth."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"

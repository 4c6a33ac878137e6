"""Numbers for the eye."""

from datetime import datetime


def span(seconds: float) -> str:
    """A length of time."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours / 24:.1f} days"


def clock(time: datetime) -> str:
    """In the zone of the machine that makes the page."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def short(number: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def gap(ratio: float) -> str:
    """How a loss lies to the trivial predictor's, by their ratio."""
    if abs(1 - ratio) < 0.005:
        return "equal to"
    return f"{percent(abs(1 - ratio))} {'below' if ratio < 1 else 'above'}"

"""Numbers and times as they are shown."""

from datetime import datetime


def format_duration(seconds: float) -> str:
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


def format_time(time: datetime) -> str:
    """In the time zone of the machine that makes the page."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M")


def format_number(number: float) -> str:
    """Three digits, or all digits before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def format_difference(ratio: float) -> str:
    """A ratio as `5 % below` or `5 % above`; `equal to` if it is near 1."""
    if abs(1 - ratio) < 0.005:
        return "equal to"
    return f"{format_percent(abs(1 - ratio))} {'below' if ratio < 1 else 'above'}"

"""Names from a file as they are shown: one line, no control characters, of limited length."""


def display_name(name: str, max_length: int = 80) -> str:
    """What is not printable is escaped, such as a line break or a byte that is not UTF-8."""
    shown = name[: max_length + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return shown if len(shown) <= max_length else f"{shown[: max_length - 3]}..."


def plot_name(name: str) -> str:
    """As `display_name`, for a plot, where dollars would begin a formula."""
    return display_name(name, 40).replace("$", r"\$")

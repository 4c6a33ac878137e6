"""The error of a setting that cannot be used."""


class ConfigError(ValueError):
    """A setting that cannot be used; the message names it, its value and the cure."""

    exit_status = 2
    on_every_process = True

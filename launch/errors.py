"""The error of an invalid setting."""


class ConfigError(ValueError):
    """An invalid setting; the message names the setting, its value and the cure."""

    exit_status = 2
    on_every_process = True

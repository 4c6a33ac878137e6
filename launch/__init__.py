"""How a run runs: configuration, processes, engine, checkpoints, logs, for both stages."""

import supported_python  # noqa: F401

"""How a run runs: configuration, processes, engine, checkpoints, logs, for both stages."""

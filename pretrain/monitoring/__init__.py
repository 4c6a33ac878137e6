"""What a run's features are worth while it trains: the same clips, looked at again and again."""

"""The life of one run: session, folder, lock, stop."""

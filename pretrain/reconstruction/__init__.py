"""Images and videos of reconstructed masked clips."""

"""What a network looks at in recordings, as pictures and films."""

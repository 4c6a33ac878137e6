"""Clips to look at: chosen in recordings, and drawn as a sheet of strips or as a film.

Whoever has something to show of a clip, makes a `Strip` of it: frames, and what they are.
"""

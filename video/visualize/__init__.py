"""Draws clips: selected from recordings, as a contact sheet of strips or as a film.

A caller describes what to draw as `Strip`s: frames with a caption.
"""

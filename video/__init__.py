"""Clips in: recordings become clips of bytes.

A source is listed (`manifest`), each recording is opened once (`probe`), places in it are drawn
(`sampling`), their frames decoded (`reader`) and cropped (`augment`); `clips` puts these together.
"""

"""An HTML page on training runs: `python -m launch report RUN [RUN ...]`.

The page is made from the files of run folders alone, of pretrainings or finetunings, complete or
still running. It opens from disk, without network and without scripts: curves are inline SVG,
images are embedded, and text from files is always escaped. Several runs are shown side by side,
with the configuration keys in which they differ.

For a pretraining the page answers whether the loss is normal. It compares the loss with the
constant baseline, the loss of predicting the best constant per channel of each clip, and with the
reference runs in `references/`, which `python -m launch report RUN --as-reference FILE` writes.
Losses of different targets are not comparable; their ratios to the constant baseline are.

If a file is missing, damaged or incomplete, only its part of the page is affected, and the page
says so. Runs of older versions are read: `renamed.py` has the old names of keys and logged values.
"""

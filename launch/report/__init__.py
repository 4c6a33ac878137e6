"""What a run did, as one HTML page: `python -m launch report RUN [RUN ...]`.

The page is made from the files of a run folder alone, of a pretraining or a finetuning, complete or
still running. It opens from disk, loads nothing and runs nothing: curves are drawn into it as SVG,
pictures are embedded, and what a file says is shown as text, whatever it is. Several runs are put
side by side, with the configuration keys in which they differ.

For a pretraining it says whether the loss is normal: against the trivial predictor, which knows
only the average, and against the curves of recipes in `references/`, each written by
`python -m launch report RUN --as-reference FILE`. Losses of different targets cannot be compared;
their ratios to the trivial predictor's can.

A file that is missing, damaged or half written costs its own part of the page, which says so.
"""

"""Stages 2 and 3: post-pretraining on a merged labelled set, then the target task."""

import supported_python  # noqa: F401

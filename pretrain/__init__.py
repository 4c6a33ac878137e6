"""Stage 1: masked autoencoding of unlabeled recordings."""

import supported_python  # noqa: F401

"""Files of predictions, and the metrics and plots that are made from them."""

"""Figures computed from predictions and truth alone."""

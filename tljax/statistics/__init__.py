"""Metrics of predictions, their intervals, paired tests and agreement."""

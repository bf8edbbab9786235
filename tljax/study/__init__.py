"""Runs a study: a grid of fine-tunings, every comparison between them, and tables."""

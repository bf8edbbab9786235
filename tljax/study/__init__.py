"""A study: a grid of fine-tunings, every comparison between them, and tables."""

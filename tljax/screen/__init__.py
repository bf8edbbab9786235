"""Screening: which networks are worth fine-tuning, judged by their frozen features."""

from tljax.screen.extraction import Features, extract

__all__ = ["Features", "extract"]

"""Screens networks: predicts from frozen features which ones are worth fine-tuning."""

from tljax.screen.extraction import Features, extract

__all__ = ["Features", "extract"]

"""Sentences and names: everything that the analysis found, written for a reader."""

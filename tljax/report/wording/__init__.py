"""The results of the analysis in words: sentences, names and numbers."""

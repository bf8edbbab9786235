"""Reads Keras files: tensors, the description of their layers, and what it states about the input."""

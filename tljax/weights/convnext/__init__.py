"""Holds code for ConvNeXts only: tensor names, Keras' descriptions, and reference networks."""

"""Holds code for ResNets only: tensor names, variants, Keras' descriptions, and reference networks."""

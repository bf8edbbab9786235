"""Holds code for DenseNets only: tensor names, Keras' descriptions, and reference networks."""

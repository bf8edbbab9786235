"""Holds code for Inception networks only: tensor names, variants, Keras' descriptions, and reference networks."""

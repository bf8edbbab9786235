"""Holds code for vision transformers only: tensor names, fixed positions, and reference networks."""

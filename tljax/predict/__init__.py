"""Predicts class probabilities of images with a fine-tuned run or converted weights."""

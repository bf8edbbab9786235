"""Class probabilities of images by a fine-tuned run or converted weights."""

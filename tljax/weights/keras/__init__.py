"""What Keras files hold: tensors, the description of their layers, and what it says of the input."""

"""What only Inception networks need: the names of their tensors, and how they are brought to a variant."""

"""What the tasks share: the types, decoding, archives, the TFDS builder and the cache of pixels."""

"""What only ResNets need: their tensor names, variants, descriptions by Keras and references."""

"""What only DenseNets need: their tensor names, descriptions by Keras and references."""

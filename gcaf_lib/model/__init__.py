"""Layers, losses and the classifier that they make: Keras 3, whichever its backend."""

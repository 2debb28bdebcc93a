"""Layers, losses, the classifier that they make and its maps: Keras 3, whichever its backend."""

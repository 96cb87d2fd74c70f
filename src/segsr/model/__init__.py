"""The model as plain modules: an image branch, a mask branch, and both joined by the bridge."""

"""Stored nets: a NeoML archive, its description, and Keras' weights and layers beside it."""

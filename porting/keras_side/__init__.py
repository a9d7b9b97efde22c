"""Keras models as saved networks. The only place that imports keras."""

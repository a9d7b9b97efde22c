"""Layers of a user's own as the Keras operations that their code calls.

A custom layer's ``call`` is run once on the symbolic tensors of the model's own graph, where every Keras operation
records itself. What is recorded stands in the saved network in the layer's place. Only Keras 3 is imported here.
"""

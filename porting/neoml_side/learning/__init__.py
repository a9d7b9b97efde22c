"""Nets that learn: gradients out of NeoML, weights back into it, and NeoML's own solvers where they are exact."""

"""Sizes that no number is known of, and what code makes of them, for either generation of Keras."""

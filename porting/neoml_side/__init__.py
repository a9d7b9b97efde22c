"""Networks as NeoML nets: operations as data first (`lowering`), then live nets that predict, learn and are stored.

`engine` is the way in; only `runtime` and `learning` import neoml.
"""

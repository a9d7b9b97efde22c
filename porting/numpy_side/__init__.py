"""Networks on numpy arrays: what every other engine is compared with, and the engine where there is nothing but numpy.

`engine` is the way in; `operations` are its kernels, which standalone files copy.
"""

"""Random networks by seed: what a stranger might build, compared with Keras at shapes without references.

A network is a few lines of Python (`networks.py`): what fails can be read, made smaller and pasted into a bug report.
`compare.py` builds, saves and asks both engines in one process, as often as one likes; `record.py` keeps what Keras
answers for the suite, whose side of NeoML has no Keras; `judging.py` says what came of a network.

That it finds faults was tried on commit dd7d24a, which had three that were known (NeoML failed, numpy was right):

- seed 16, a Dense behind a flip of its features ("weights size mismatch"), made smaller to
  ``nested(lambda a: L.Dense(1, use_bias=False)(a[:, ::-1]), x2)``;
- seed 54, attention pooling by operations behind an LSTM ("weights size mismatch"), made smaller to
  ``x5 = L.EinsumDense('...x,xy->...y', output_shape=6)(ops.sum(ops.softmax(L.Dense(1)(x4), axis=1) * x4, axis=1))``;
- seed 826, a slice of an open axis where that is shorter ("Internal Program Error"), made smaller to
  ``x2 = i0[:, -5:-2]; x3 = L.GroupNormalization(2)(x2)``.
"""

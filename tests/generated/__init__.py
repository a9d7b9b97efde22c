"""Random networks by seed: what a stranger might build, compared with Keras at shapes without references.

A network is a few lines of Python (`networks.py`): what fails can be read, made smaller and pasted into a bug report.
`compare.py` builds, saves and asks both engines in one process, as often as one likes; `record.py` keeps what Keras
answers for the suite, whose side of NeoML has no Keras; `judging.py` says what came of a network.
"""

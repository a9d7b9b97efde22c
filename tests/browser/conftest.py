"""Without playwright there is nothing to collect here: the tests run by ``nox -s browser``."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]

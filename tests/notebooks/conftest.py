"""Without nbclient there is nothing to collect here: the tests run by ``nox -s notebooks``."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("nbclient") else ["test_*.py"]

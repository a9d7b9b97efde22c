"""Is the port exact? Outputs against references, layer by layer, and the verdict.

`check` compares, `tolerance` and `noise` say what may differ, `verdicts` what was found, `report` and `page` show it.
"""

from .check import check_network
from .report import Report
from .tolerance import TOLERANCE, needed_tolerance
from .verdicts import LayerVerdict, RunVerdict

__all__ = ["TOLERANCE", "LayerVerdict", "Report", "RunVerdict", "check_network", "needed_tolerance"]

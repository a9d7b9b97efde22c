"""Is the port exact? Outputs against references, layer by layer, and the verdict."""

from .check import check_network
from .report import Report
from .tolerance import TOLERANCE, needed_tolerance
from .verdicts import LayerVerdict, RunVerdict

__all__ = ["TOLERANCE", "LayerVerdict", "Report", "RunVerdict", "check_network", "needed_tolerance"]

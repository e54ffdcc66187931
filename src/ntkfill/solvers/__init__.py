"""Ways to solve kernel systems on the known coordinates."""

from .base import Factor, Report, Solution, Solver
from .cg import CG
from .cholesky import Cholesky

__all__ = ["CG", "Cholesky", "Factor", "Report", "Solution", "Solver"]

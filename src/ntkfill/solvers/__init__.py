"""Ways to solve kernel systems on the known coordinates."""

from .base import Factor, Report, Solution, Solver
from .blockwise import Blockwise
from .cg import CG
from .cholesky import Cholesky
from .eigenpro import EigenPro

__all__ = ["CG", "Blockwise", "Cholesky", "EigenPro", "Factor", "Report", "Solution", "Solver"]

"""Drug screens: read, evaluate, complete, and rank drugs against a disease.

Reading order: screen, reading, baselines, falrtc, ntk, scores, protocol, ranking, report.
"""

from .baselines import DNPP, Additive, CellMean, Method
from .falrtc import FaLRTC
from .ntk import NTK, Mixture, imputed, network, paper_mixture, proposed, sparse
from .protocol import Evaluation, evaluate, leaks
from .screen import Screen
from .simulate import Simulated, simulate
from .splits import KFold, LeaveOneOut, Sparse, Split

__all__ = [
    "DNPP",
    "NTK",
    "Additive",
    "CellMean",
    "Evaluation",
    "FaLRTC",
    "KFold",
    "LeaveOneOut",
    "Method",
    "Mixture",
    "Screen",
    "Simulated",
    "Sparse",
    "Split",
    "evaluate",
    "imputed",
    "leaks",
    "network",
    "paper_mixture",
    "proposed",
    "simulate",
    "sparse",
]

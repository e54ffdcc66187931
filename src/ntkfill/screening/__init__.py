"""Drug screens: read, evaluate, complete, and rank drugs against a disease.

Reading order: screen, replicates, reading, baselines, falrtc, presets, similarity, ntk, mixture,
scores, splits, protocol, completing, ranking, report.
"""

from .baselines import DNPP, Additive, CellMean, Method
from .completing import Completed, complete
from .falrtc import FaLRTC
from .mixture import Mixture, paper_mixture
from .ntk import NTK, network
from .presets import imputed, means, sparse
from .protocol import Evaluation, evaluate, leaks
from .ranking import Ranked, Ranking, rank, read_signature
from .reading import from_anndata, into_anndata, read
from .replicates import averaged
from .screen import Screen
from .similarity import Learned
from .simulate import Simulated, simulate
from .splits import KFold, LeaveOneOut, Sparse, Split, Splitting

__all__ = [
    "DNPP",
    "NTK",
    "Additive",
    "CellMean",
    "Completed",
    "Evaluation",
    "FaLRTC",
    "KFold",
    "Learned",
    "LeaveOneOut",
    "Method",
    "Mixture",
    "Ranked",
    "Ranking",
    "Screen",
    "Simulated",
    "Sparse",
    "Split",
    "Splitting",
    "averaged",
    "complete",
    "evaluate",
    "from_anndata",
    "imputed",
    "into_anndata",
    "leaks",
    "means",
    "network",
    "paper_mixture",
    "rank",
    "read",
    "read_signature",
    "simulate",
    "sparse",
]

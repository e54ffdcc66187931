"""Drug screens: read, evaluate, complete, and rank drugs against a disease.

Reading order: screen, replicates, reading, baselines, falrtc, presets, similarity, ntk, mixture,
scores, splits, protocol, completing, ranking, report.
"""

from .completion import Completed, complete
from .evaluation.protocol import Evaluation, evaluate, leaks
from .evaluation.splits import KFold, LeaveOneOut, Sparse, Split, Splitting
from .io.reading import from_anndata, into_anndata, read
from .methods.baselines import DNPP, Additive, CellMean, Method
from .methods.covariance import Learned
from .methods.falrtc import FaLRTC
from .methods.mixture import Mixture, paper_mixture
from .methods.ntk import NTK, network
from .methods.presets import imputed, means, sparse
from .ranking import Ranked, Ranking, rank, read_signature
from .replicates import averaged
from .screen import Screen
from .simulate import Simulated, simulate

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

"""Drug screens: read, evaluate, complete, and rank drugs against a disease.

Reading order: features, screen, simulate, methods, evaluation, holdout, uncertainty, completion,
io, ranking.
"""

from .completion import Info, complete, complete_to_file
from .evaluation.cross_validation import Evaluation, evaluate
from .evaluation.splits import KFold, LeaveOneOut, Sparse, Split, Splitting
from .io.reading import from_anndata, from_frame, read
from .io.writing import to_anndata, to_frame
from .methods.baselines import DNPP, Additive, CellMean, Interpolation, Method
from .methods.cold_start import ColdStart
from .methods.falrtc import FaLRTC
from .methods.low_rank import LowRank
from .methods.matrix_normal import MatrixNormal
from .methods.ntk import NTK
from .methods.presets import ByDrugCount, Imputation, means, paper_mixture
from .ranking import RankedDrug, Ranking, rank, read_signature
from .screen import Screen, averaged
from .simulate import Simulated, simulate
from .uncertainty import Cover, calibration

__all__ = [
    "DNPP",
    "NTK",
    "Additive",
    "ByDrugCount",
    "CellMean",
    "ColdStart",
    "Cover",
    "Evaluation",
    "FaLRTC",
    "Imputation",
    "Info",
    "Interpolation",
    "KFold",
    "LeaveOneOut",
    "LowRank",
    "MatrixNormal",
    "Method",
    "RankedDrug",
    "Ranking",
    "Screen",
    "Simulated",
    "Sparse",
    "Split",
    "Splitting",
    "averaged",
    "calibration",
    "complete",
    "complete_to_file",
    "evaluate",
    "from_anndata",
    "from_frame",
    "means",
    "paper_mixture",
    "rank",
    "read",
    "read_signature",
    "simulate",
    "to_anndata",
    "to_frame",
]

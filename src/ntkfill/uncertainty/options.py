"""Options of standard deviations and intervals, the same for grids, tables and screens."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError, check_integer, check_number
from .posterior import MODELS, PosteriorModel


@dataclass(frozen=True)
class Uncertainty:
    """How standard deviations and intervals are computed.

    Parameters
    ----------
    posterior : {"ensemble", "nngp", "ntk"}, optional
        The model behind the standard deviations. "ensemble": the spread of infinitely
        wide networks trained by gradient descent from random initialisations (Lee et al. 2019,
        doi:10.1088/1742-5468/abc62b). "nngp": the network as a Gaussian process (Rasmussen and
        Williams 2006). "ntk": the linearised network with random weights (He et al. 2020,
        arXiv:2007.05864). The default is "ensemble" for grids and "ntk" for tables, where the ridge
        is noise.
    samples : int
        For grids: samples of the prior; the relative error of a standard deviation is
        1 / sqrt(2 samples).
    random_state : int
        Seed of the samples and of the held-out entries.
    holdout : float
        For the intervals of grids: the share of the known pixels that is held out to calibrate.

    Raises
    ------
    InputError
        If an option is out of range.

    Examples
    --------
    >>> Uncertainty(samples=64)
    Uncertainty(posterior=None, samples=64, random_state=0, holdout=0.1)
    """

    posterior: PosteriorModel | None = None
    samples: int = 32
    random_state: int = 0
    holdout: float = 0.1

    def __post_init__(self) -> None:
        if self.posterior not in (None, *MODELS):
            valid = ", ".join(map(repr, MODELS))
            raise InputError(f"posterior must be {valid} or None", got=repr(self.posterior))
        check_integer("samples", self.samples, 1, 10**6)
        check_integer("random_state", self.random_state, 0, 2**63 - 1)
        check_number("holdout", self.holdout, above=0, below=1)

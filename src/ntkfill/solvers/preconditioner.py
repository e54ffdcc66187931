"""An approximate inverse of a kernel on scattered coordinates of a torus, by Fourier transforms.

Let A be the kernel plus ridge on the whole torus. The inverse of its known block is
E^T A^-1 E, where E extends values from the known coordinates to all of them with the least energy
x^T A^-1 x (the Schur complement). Extending by zeros, which is what a mask between two transforms
does, has a large energy: every gap makes a jump. Extending by inverse-distance weights (Shepard
1968, doi:10.1145/800186.810616) comes close to the least, over gaps of any size at once, and is a
convolution too: its weights fall like distance**-(n + 3/2) on n axes. Conjugate gradients then take
about ten steps where extension by zeros takes hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..kernels import Stationary, convolve
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.threads import workers

# Exponent of the weights, above the number of axes: less spreads too far, and with more the
# weights inside a large hole drown in the rounding of single precision.
STEEPNESS = 1.5


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """E^T A^-1 E for one kernel and one set of known coordinates.

    Parameters
    ----------
    inverse : array
        Spectrum of A^-1.
    weights : array
        Spectrum of the inverse-distance weights.
    scale : array of the shape of the torus
        At unknown coordinates one over the sum of the weights of the known ones, 0 at known ones.
    mask : bool array of the shape of the torus
        The known coordinates.
    """

    inverse: Array
    weights: Array
    scale: Array
    mask: Mask

    def as_type(self, dtype: type) -> Preconditioner:
        """The same in another precision."""
        return Preconditioner(
            self.inverse.astype(dtype),
            self.weights.astype(dtype),
            self.scale.astype(dtype),
            self.mask,
        )

    def __call__(self, rest: Array) -> Array:
        """Apply it to (channels, *torus), zero where unknown; so is the result."""
        whole = convolve(rest, self.weights)
        whole *= self.scale
        whole += rest
        whole = convolve(whole, self.inverse)
        back = convolve(whole * self.scale, self.weights)
        back += whole
        back *= self.mask
        return back


def preconditioner(kernel: Stationary, mask: Mask, ridge: float, dtype: type) -> Preconditioner:
    """Make it for a stationary kernel, known coordinates and an absolute ridge above zero."""
    weights = inverse_distances(mask.shape)
    # Where everything is known, or rounding leaves nothing of the weights, nothing is extended.
    total = convolve(mask.astype(np.float64), weights)
    scale = np.where(mask | (total <= 0), 0.0, 1.0 / np.where(total > 0, total, 1.0))
    inverse = 1.0 / (kernel.spectrum + ridge)
    return Preconditioner(inverse.astype(dtype), weights.astype(dtype), scale.astype(dtype), mask)


def inverse_distances(shape: tuple[int, ...]) -> Array:
    """Spectrum of distance**-(n + 3/2) on a torus, without the coordinate itself."""
    n = len(shape)
    squares = np.zeros(shape)
    for k, side in enumerate(shape):
        offset = np.minimum(np.arange(side), side - np.arange(side)).astype(np.float64)
        squares += np.square(offset).reshape([-1 if j == k else 1 for j in range(n)])
    squares[(0,) * n] = np.inf
    return fft.rfftn(squares ** (-(n + STEEPNESS) / 2), workers=workers()).real

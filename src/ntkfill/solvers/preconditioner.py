"""An approximate inverse of a kernel on scattered coordinates, from its inverse on all of them.

Let A be the kernel plus ridge on all coordinates. The inverse of its known block is E^T A^-1 E,
where E extends values from the known coordinates to all of them with the least energy x^T A^-1 x
(the Schur complement). Extending by zeros, which is what a mask between two transforms does, has a
large energy: every gap makes a jump. Extending by inverse-distance weights (Shepard 1968,
doi:10.1145/800186.810616) comes close to the least, over gaps of any size at once. Conjugate
gradients then take about ten steps where extension by zeros takes hundreds.

On a torus both operators are convolutions: A^-1 by the spectrum of the kernel, and weights that
fall like distance**-(n + 3/2) on n axes. For a Kronecker product they are products from both sides
of a table: A^-1 in the basis of the eigenvectors of its factors, and weights by the distance that
the kernel of each side induces. For channels on a torus A^-1 is one convolution for each
eigenvector of their covariance, and every channel is extended by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import fft

from ..kernels import Coregionalised, Kronecker, Stationary, across, convolve, two_sided
from ..kernels.stationary import circular_offsets, squared_distances
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.resources import workers

# Exponent of the weights on a torus, above the number of axes: less spreads too far, and with more
# the weights inside a large hole drown in the rounding of single precision.
STEEPNESS = 1.5
# Between the rows (and the columns) of a table weights are (squared distance + SOFTENING)**-4, the
# kernels having mean diagonal 1.
SOFTENING = 0.05


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution on a torus, by its spectrum."""

    spectrum: Array

    def __call__(self, x: Array) -> Array:  # (channels, *torus)
        return convolve(x, self.spectrum)


@dataclass(frozen=True, eq=False)
class TwoSided:
    """left @ x @ right for tables x."""

    left: Array  # (n, n)
    right: Array  # (m, m)

    def __call__(self, x: Array) -> Array:  # (channels, n, m)
        return two_sided(self.left, x, self.right)


@dataclass(frozen=True, eq=False)
class EigenInverse:
    """The inverse of a Kronecker product plus ridge, by the eigenvectors of its factors."""

    left: Array  # (n, n)
    right: Array  # (m, m)
    spectrum: Array  # (n, m), with the ridge

    def __call__(self, x: Array) -> Array:  # (channels, n, m)
        turned = two_sided(self.left.T, x, self.right)
        turned /= self.spectrum
        return two_sided(self.left, turned, self.right.T)


@dataclass(frozen=True, eq=False)
class ChannelInverse:
    """The inverse of a `Coregionalised` kernel plus ridge, by the eigenvectors of its channels."""

    vectors: Array  # (m, m)
    spectrum: Array  # (m, *frequencies), of the inverse

    def __call__(self, x: Array) -> Array:  # (columns, m, *torus)
        axes = self.spectrum.ndim - 1
        turned = convolve(across(self.vectors.T, x, axes), self.spectrum, axes)
        return across(self.vectors, turned, axes)


Operator = Convolution | TwoSided | EigenInverse | ChannelInverse


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """E^T A^-1 E for one kernel and one set of known coordinates.

    Parameters
    ----------
    inverse : operator
        A^-1.
    weights : operator
        Multiplies by the inverse-distance weights.
    scale : array of the shape of the grid
        At unknown coordinates one over the sum of the weights of the known ones, 0 at known ones.
    mask : bool array of the shape of the grid
        The known coordinates.
    """

    inverse: Operator
    weights: Operator
    scale: Array
    mask: Mask

    def as_type(self, dtype: type) -> Preconditioner:
        """The same in another precision."""
        inverse, weights = (
            replace(
                part, **{one.name: getattr(part, one.name).astype(dtype) for one in fields(part)}
            )
            for part in (self.inverse, self.weights)
        )
        return Preconditioner(inverse, weights, self.scale.astype(dtype), self.mask)

    def __call__(self, residual: Array) -> Array:
        """Apply it to (channels, *grid), zero where unknown; so is the result."""
        x = residual.astype(self.scale.dtype, copy=False)
        if self.mask.all():
            return self.inverse(x).astype(residual.dtype, copy=False)
        whole = self.weights(x)
        whole *= self.scale
        whole += x
        whole = self.inverse(whole)
        back = self.weights(whole * self.scale)
        back += whole
        back *= self.mask
        return back.astype(residual.dtype, copy=False)


def preconditioner(
    kernel: Stationary | Kronecker | Coregionalised, mask: Mask, ridge: float, dtype: type
) -> Preconditioner:
    """Make it for known coordinates and an absolute ridge above zero.

    That of a Kronecker product is in single precision, which is enough for a guess, unless all
    entries are known: then it is exact. Effects of rows and columns are left out: their diagonal
    in the basis of the eigenvectors takes more steps than none.
    """
    inverse: Operator
    weights: Operator
    if isinstance(kernel, Stationary):
        inverse = Convolution(1.0 / (kernel.spectrum + ridge))
        weights = Convolution(inverse_distances(mask.shape))
    elif isinstance(kernel, Coregionalised):
        eigenvalues, vectors = kernel.eigen
        inverse = ChannelInverse(vectors, 1.0 / (eigenvalues + ridge))
        weights = Convolution(inverse_distances(mask.shape[1:]))
    else:
        (a, left), (b, right) = kernel.eigen
        spectrum = np.outer(np.maximum(a, 0.0), np.maximum(b, 0.0)) + ridge
        inverse = EigenInverse(left, right, spectrum)
        weights = TwoSided(*(_near(side.values) for side in (kernel.left, kernel.right)))
        dtype = dtype if mask.all() else np.float32
    # Where everything is known, or rounding leaves nothing of the weights, nothing is extended.
    total = weights(mask[None].astype(np.float64))[0]
    scale = np.where(mask | (total <= 0), 0.0, 1.0 / np.where(total > 0, total, 1.0))
    return Preconditioner(inverse, weights, scale, mask).as_type(dtype)


def inverse_distances(shape: tuple[int, ...]) -> Array:
    """Spectrum of distance**-(n + 3/2) on a torus, without the coordinate itself."""
    half = tuple(slice(side // 2 + 1) for side in shape)  # which the rest mirrors
    squares = squared_distances(shape)[half]
    squares[(0,) * len(shape)] = np.inf
    powers = squares ** (-(len(shape) + STEEPNESS) / 2)
    every = powers[np.ix_(*map(circular_offsets, shape))]
    return fft.rfftn(every, workers=workers()).real


def _near(values: Array) -> Array:
    """Inverse-distance weights under the metric that a kernel induces, (n, n). Its nugget sets all
    coordinates apart alike and does not count."""
    diagonal = np.diagonal(values)
    squares = diagonal[:, None] + diagonal - 2 * values
    scale = float(np.mean(diagonal, dtype=np.float64)) or 1.0
    return np.asarray((np.maximum(squares / scale, 0.0) + SOFTENING) ** -4.0)

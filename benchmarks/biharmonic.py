"""Biharmonic inpainting as in scikit-image, with its linear system solved by conjugate gradients.

scikit-image factorises: with 90 % of 64 x 64 x 64 missing that would take 25 GB and the better part
of an hour. The matrix is the square of the Laplacian that mirrors at the borders, at the missing
pixels. It is symmetric and positive definite, so that products with it are enough.
"""

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import LaplacianNd, cg

RTOL = 1e-8


def biharmonic_by_cg(
    image: np.ndarray, missing: np.ndarray, channel_axis: int | None = None
) -> np.ndarray:
    """What scikit-image's `inpaint_biharmonic` gives, to a relative residual of 1e-8."""
    filled = np.array(image, dtype=np.float64)
    for channel in [filled] if channel_axis is None else np.moveaxis(filled, channel_axis, 0):
        known = channel[~missing]
        laplacian = LaplacianNd(missing.shape, boundary_conditions="neumann", dtype=np.float64)
        rows = laplacian.tosparse().tocsr()[np.flatnonzero(missing)]
        system = rows @ rows.T  # the Laplacian is symmetric
        wanted = -rows @ laplacian.matvec(np.where(missing, 0.0, channel).ravel())
        solution, failed = cg(system, wanted, rtol=RTOL, M=diags_array(1 / system.diagonal()))
        if failed:
            raise RuntimeError(f"no convergence in {failed} steps")
        channel[missing] = np.clip(solution, known.min(), known.max())  # as scikit-image does
    return filled

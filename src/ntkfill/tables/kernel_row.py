"""How much alike a model takes entries of its table to be: kernel rows, the paper's heat map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels.table import Array
from .models import Both, Columns, Model, Plain, Rows


def alike(model: Model, row: int, column: int, places: NDArray[np.intp]) -> Array:
    """The kernel between one entry of the table that was fitted and others.

    Parameters
    ----------
    model : Model
    row, column : int
    places : int array of shape (k, 2)
        Rows and columns of entries that `Model.weights` names.

    Returns
    -------
    array of shape (k,)
    """
    rows, columns = places.T
    if isinstance(model, Plain):
        chain = model.chain
        others = np.delete(chain.fill, chain.place[column].columns, axis=1)
        vectors = np.hstack([others, np.ones((len(others), 1))])
        return chain.network.between(vectors[[row]], vectors[rows])[0]
    if isinstance(model, Rows):
        return np.asarray(model.fitted.kernel[row, rows])
    if isinstance(model, Columns):
        return np.asarray(model.fitted.kernel[column, columns])
    if isinstance(model, Both):
        product = model.fitted
        left = product.rows[row, rows] + product.own[0] * (rows == row)
        right = product.columns[column, columns] + product.own[1] * (columns == column)
        return np.asarray(left * right)
    raise InputError("no kernel is known of this model", got=type(model).__name__)

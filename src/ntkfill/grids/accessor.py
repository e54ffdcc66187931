"""`import ntkfill.grids.accessor` gives every xarray DataArray an accessor, `.ntkfill`."""

from __future__ import annotations

from typing import Any

import xarray

from ..result import Filled
from .inpainter import Info, Inpainter, inpaint


@xarray.register_dataarray_accessor("ntkfill")  # type: ignore[no-untyped-call]
class Accessor:
    """`array.ntkfill.inpaint()` and `array.ntkfill.fill()`.

    Parameters
    ----------
    array : xarray.DataArray

    Examples
    --------
    >>> ramp = xarray.DataArray([0.0, 1.0, float("nan"), 3.0, 4.0], dims="x")
    >>> ramp.ntkfill.inpaint().round(1).values
    array([0., 1., 2., 3., 4.])
    """

    def __init__(self, array: Any) -> None:
        self._array = array

    def inpaint(self, mask: Any = None, **options: Any) -> Any:
        """As `ntkfill.inpaint`; returns a DataArray."""
        return inpaint(self._array, mask, **options)

    def fill(
        self,
        mask: Any = None,
        *,
        return_std: bool = False,
        interval: float | None = None,
        **options: Any,
    ) -> Filled[Info]:
        """As `Inpainter.fill`, with the options of `Inpainter`; its values are DataArrays."""
        inpainter = Inpainter(**options)
        return inpainter.fill(self._array, mask, return_std=return_std, interval=interval)

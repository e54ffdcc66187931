"""Signals, images, volumes and video with holes: read, select, fit, complete, write back."""

from .inpainter import Info, Inpainter, inpaint
from .options import GridOptions

__all__ = ["GridOptions", "Info", "Inpainter", "inpaint"]

"""Signals, images, volumes and video with holes: read, select, fit, complete, write back."""

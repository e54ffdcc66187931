"""Readers of screens: long tables and wide matrices, GCT, GCTX, AnnData."""

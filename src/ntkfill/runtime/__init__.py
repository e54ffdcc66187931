"""Cores, memory and progress."""

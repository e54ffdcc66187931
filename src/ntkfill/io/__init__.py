"""Images, tables of text and kernels on disk; files are written whole or not at all."""

"""The page that `ntkfill app` serves: a thin adapter over the public functions of this package.

`server` answers requests, `sessions` holds the documents that are open, `jobs` runs what takes long
in processes of its own; `images`, `tables` and `screens` are what these processes do.
"""

"""
What architecture and prior do
==============================

Kernel rows of one pixel: what networks of different depth, with different feature priors, take for
similar to it (after Figure 4 of Radhakrishnan et al. 2022, `doi:10.1073/pnas.2115064119
<https://doi.org/10.1073/pnas.2115064119>`__).
"""

from ntkfill import plots

axes = plots.kernel_rows(levels=(1, 2, 3, 4))

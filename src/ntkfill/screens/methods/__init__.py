"""Methods that predict profiles: the NTK, and the baselines that it is compared with."""

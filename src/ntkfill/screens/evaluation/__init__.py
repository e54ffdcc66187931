"""How well methods predict what was held out: splits, scores, protocol, report."""

"""Options of `ntkfill inpaint` where files are tested and not networks: a spline fills a ramp at
once."""

SPLINE = "Mixture((Member(hourglass(1), weight=0), Member(Spline(2), weight=1)))"
QUICK = ("--fast", "--network", SPLINE)

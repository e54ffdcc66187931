"""EigenPro, by which the paper solves beyond 30,000 equations: the reconstruction experiment by
the direct solve, by EigenPro after a number of epochs, and by ntkfill's conjugate gradients.

An epoch of EigenPro takes as many kernel entries as one product with the kernel.
"""

import time

import numpy as np
from common import Steps, arguments, harness, read

from ntkfill import Observed, complete, nn
from ntkfill.priors import IID
from ntkfill.solvers import CG, Cholesky, EigenPro

CLAIM = (
    "Half of the pixels missing, CNTK with four levels, ridge 1e-3: EigenPro reaches the direct "
    "solve's PSNR within 0.1 dB in 50 epochs, conjugate gradients with ntkfill's preconditioner in "
    "at most 20 products."
)
EPOCHS = 1, 2, 5, 10, 20, 50


def main() -> None:
    options = arguments(__doc__)
    side = 192 if options.full else 48
    steps = Steps("paper_eigenpro_full" if options.full else "paper_eigenpro", options.again)
    solvers: dict = {f"EigenPro, {k} epochs": EigenPro(rtol=1e-9, max_epochs=k) for k in EPOCHS}
    solvers |= {"direct": Cholesky(1e-3), "conjugate gradients": CG(1e-3, rtol=1e-3)}
    figures: dict = {"side": side}
    for name in ("peppers256", "man"):
        picture = read(options.data / "images" / f"{name}_GT.png", side)
        missing = harness.half_missing(picture.shape[:2])
        shape = tuple(-(-length // 16) * 16 for length in missing.shape)
        pad = [(0, whole - length) for whole, length in zip(shape, missing.shape, strict=True)]
        known = ~np.pad(missing, pad, constant_values=True).ravel()
        flat = np.pad(picture, [*pad, (0, 0)]).reshape(-1, 3)
        values = np.where(known[:, None], flat, np.nan)
        kernel = nn.hourglass(4).kernel(shape, IID(), shift_average=True)
        for label, solver in solvers.items():

            def score(solver=solver, values=values, known=known, kernel=kernel) -> dict:
                started = time.process_time()
                done = complete(Observed(values, known), kernel, solver, centre=True)
                taken = time.process_time() - started
                filled = done.values.reshape(*shape, 3)[: missing.shape[0], : missing.shape[1]]  # noqa: B023
                report = done.reports[0]
                return {
                    "psnr_missing": harness.psnr(picture, filled, missing),  # noqa: B023
                    "products": int(getattr(report, "steps", 0) or 0),
                    "residual": float(report.residual),
                    "cpu_seconds": taken,
                }

            figures.setdefault(name, {})[label] = steps.run(f"{name} {side} {label}", score)
        figures[name]["equations"] = int(known.sum())
    gaps = [
        abs(of["EigenPro, 50 epochs"]["psnr_missing"] - of["direct"]["psnr_missing"])
        for of in (figures["peppers256"], figures["man"])
    ]
    products = [
        of["conjugate gradients"]["products"] for of in map(figures.get, ("peppers256", "man"))
    ]
    harness.write("paper_eigenpro", CLAIM, figures, max(gaps) <= 0.1 and max(products) <= 20)


if __name__ == "__main__":
    main()

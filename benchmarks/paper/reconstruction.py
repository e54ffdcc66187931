"""The reconstruction experiment: half of the pixels missing; the CNTK, a network of finite width of
the same architecture (128 filters at full size) and biharmonic functions, on the grey pictures."""

from common import Steps, arguments, harness, read
from figure3 import average, compare, trained

from ntkfill import Inpainter, nn

CLAIM = "The CNTK is ahead of the finite network of its architecture, and near biharmonic (1 dB)."


def main() -> None:
    options = arguments(__doc__)
    side, width, count, levels = (None, 128, 2000, 4) if options.full else (96, 24, 150, 4)
    steps = Steps("paper_reconstruct_full" if options.full else "paper_reconstruct", options.again)
    methods = {
        "CNTK": lambda p, m: Inpainter(nn.hourglass(levels), channel_axis=-1).fill(p, m).values,
        "chosen": lambda p, m: Inpainter(channel_axis=-1).fill(p, m).values,
        "finite": lambda p, m: trained(p, m, levels, width, count),
        "biharmonic": lambda p, m: harness.biharmonic(p, m, -1),
    }
    figures = {}
    for name in harness.GREYS if options.full else ("peppers256", "man"):
        picture = read(options.data / "images" / f"{name}_GT.png", side)
        missing = harness.half_missing(picture.shape[:2])
        figures[name] = compare(f"reconstruction_{name}", picture, missing, methods, steps)
    mean = average(figures)
    cntk, others = mean["CNTK"]["psnr_missing"], mean
    holds = (
        cntk > others["finite"]["psnr_missing"] and cntk > others["biharmonic"]["psnr_missing"] - 1
    )
    size = {"largest_side": side, "width": width, "adam_steps": count}
    harness.write(
        "paper_reconstruction", CLAIM, {"size": size, "mean": mean, **figures}, bool(holds)
    )


if __name__ == "__main__":
    main()

"""Figure 3: large holes, filled by the CNTK with six levels, by a network of finite width of the
same architecture (batch normalisation, sigmoid, Adam) and by biharmonic functions."""

import time

import numpy as np
import torch
from common import Steps, arguments, harness, read, save_row
from PIL import Image
from skimage.metrics import structural_similarity

from ntkfill import Inpainter, nn
from ntkfill.priors import IID

CLAIM = "Over the holes, the CNTK with six levels is ahead of both others in PSNR on average."


def normalised(levels: int) -> nn.Sequential:
    """The hourglass with batch normalisation after every convolution but the last."""
    layers = nn.hourglass(levels).layers
    pairs = [(x, nn.BatchNorm()) if isinstance(x, nn.Conv) else (x,) for x in layers[:-1]]
    return nn.Sequential(*(layer for pair in pairs for layer in pair), layers[-1])


def trained(picture: np.ndarray, missing: np.ndarray, levels: int, width: int, count: int):
    """The picture that a network of finite width is left with, on a torus of whole levels."""
    stride = 2**levels
    shape = tuple(-(-side // stride) * stride for side in picture.shape[:2])
    margin = [(0, whole - side) for whole, side in zip(shape, picture.shape[:2], strict=True)]
    given = np.moveaxis(np.pad(picture, [*margin, (0, 0)]), -1, 0)[None]
    known = np.broadcast_to(~np.pad(missing, margin, constant_values=True), given.shape)
    module = nn.finite(normalised(levels), (32, *shape), width, outputs=3).float()
    features = nn.draw(IID(), shape, channels=32)[None]
    options = {"steps": count, "rate": 0.1, "optimizer": "adam", "head": torch.sigmoid}
    filled = np.moveaxis(nn.train(module, features, given, known, **options)[0], 0, -1)
    filled = filled[: picture.shape[0], : picture.shape[1]]
    return np.where(missing[..., None], filled, picture)


def compare(name: str, picture: np.ndarray, missing: np.ndarray, methods: dict, steps: Steps):
    """Scores of each method on one picture; the pictures are kept for the documentation."""
    figure, strip = {}, [np.where(missing[..., None], 0.0, picture)]
    for method, fill in methods.items():

        def run(fill=fill) -> dict:
            started = time.process_time()
            filled = np.clip(fill(picture, missing), 0, 1)
            score = structural_similarity(picture, filled, channel_axis=-1, data_range=1.0)
            return {
                "psnr_missing": harness.psnr(picture, filled, missing),
                "ssim": float(score),
                "cpu_seconds": time.process_time() - started,
                "filled": np.rint(filled * 255).astype(int).tolist(),
            }

        done = steps.run(f"{name} {picture.shape} {method}", run)
        strip.append(np.array(done["filled"]) / 255)
        figure[method] = {key: value for key, value in done.items() if key != "filled"}
        print(name, method, figure[method], flush=True)
    save_row(name, [*strip, picture])
    return figure


def average(figures: dict) -> dict:
    methods = next(iter(figures.values()))
    scores = next(iter(methods.values()))
    return {
        m: {s: float(np.mean([f[m][s] for f in figures.values()])) for s in scores} for m in methods
    }


def main() -> None:
    options = arguments(__doc__)
    side, width, count, levels = (None, 128, 2000, 6) if options.full else (128, 24, 150, 6)
    steps = Steps("paper_figure3_full" if options.full else "paper_figure3", options.again)
    methods = {
        "CNTK": lambda p, m: Inpainter(nn.hourglass(levels), channel_axis=-1).fill(p, m).values,
        "finite": lambda p, m: trained(p, m, levels, width, count),
        "biharmonic": lambda p, m: harness.biharmonic(p, m, -1),
    }
    figures = {}
    for name in ("library", "kate"):
        picture = read(options.data / "images" / f"{name}.png", side)
        mask = Image.open(options.data / "images" / f"{name}_mask.png").convert("L")
        missing = np.asarray(mask.resize(picture.shape[1::-1], Image.Resampling.NEAREST)) < 128
        figures[name] = compare(f"figure3_{name}", picture, missing, methods, steps)
    mean = average(figures)
    ahead = all(mean["CNTK"]["psnr_missing"] > mean[m]["psnr_missing"] for m in mean if m != "CNTK")
    size = {"largest_side": side, "width": width, "adam_steps": count}
    harness.write("paper_figure3", CLAIM, {"size": size, "mean": mean, **figures}, ahead)


if __name__ == "__main__":
    main()

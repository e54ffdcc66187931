"""Channels that miss different pixels: colour filter mosaics, and affine copies of one texture."""

import argparse
from statistics import mean

import numpy as np
from harness import load_pictures, psnr, write

from ntkfill import Inpainter, inpaint

CLAIM = (
    "Bayer mosaics of three photos: the first fill within 1 dB of Malvar's linear filters or "
    "better, refined above Menon's method less 1 dB; three affine copies of a texture, each "
    "missing its own half of the pixels: 40 dB each, 7 dB above each filled by itself."
)
# Values between 0 and 1 stay there.
GAINS, LEVELS = np.array([0.5, 0.8, -0.3]), np.array([0.1, 0.0, 0.7])
TEXTURES = ("barbara_GT", "fingerprint_GT", "hill_GT", "man_GT")


def mosaic(shape: tuple[int, int]) -> np.ndarray:
    """What a sensor with an RGGB filter does not see: (*shape, 3)."""
    missing = np.ones((*shape, 3), bool)
    for channel, row, column in ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1)):
        missing[row::2, column::2, channel] = False
    return missing


def peers(picture: np.ndarray, missing: np.ndarray) -> dict[str, float]:
    """PSNR of the published methods for such a mosaic."""
    import colour_demosaicing as published

    seen = np.where(missing, 0, picture).sum(axis=-1)
    methods = {
        "bilinear": published.demosaicing_CFA_Bayer_bilinear,
        "Malvar 2004": published.demosaicing_CFA_Bayer_Malvar2004,
        "Menon 2007": published.demosaicing_CFA_Bayer_Menon2007,
    }
    return {name: psnr(picture, method(seen)) for name, method in methods.items()}


def ours(picture: np.ndarray, missing: np.ndarray, refined: bool) -> dict[str, float]:
    """PSNR of the channels filled one by one, together, and refined."""
    seen = np.where(missing, np.nan, picture)
    alone = np.stack([inpaint(seen[..., k]) for k in range(3)], axis=-1)
    figures = {"one by one": alone, "together": inpaint(seen, channel_axis=-1)}
    if refined:
        done = Inpainter(channel_axis=-1, refine="patches").fill(seen)
        figures["refined"] = done.values
    return {name: psnr(picture, filled) for name, filled in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="of the central crops, in pixels")
    parser.add_argument("--quick", action="store_true", help="one picture each; nothing is written")
    given = parser.parse_args()
    figures: dict[str, dict] = {"bayer": {}, "copies": {}}
    photos, textures = ("car", "horse", "truck"), TEXTURES
    if given.quick:
        photos, textures = photos[:1], textures[:1]
    for name, picture in load_pictures(photos, ".jpg").items():
        picture = crop(picture, given.side)
        missing = mosaic(picture.shape[:2])
        figures["bayer"][name] = peers(picture, missing) | ours(picture, missing, True)
        print(name, figures["bayer"][name], flush=True)
    for name, picture in load_pictures(textures).items():
        copies = crop(picture, given.side)[..., None] * GAINS + LEVELS
        missing = np.random.default_rng(0).random(copies.shape) < 0.5
        figures["copies"][name] = ours(copies, missing, False)
        print(name, figures["copies"][name], flush=True)
    means = {
        kind: {
            method: mean(one[method] for one in found.values())
            for method in next(iter(found.values()))
        }
        for kind, found in figures.items()
    }
    bayer = means["bayer"]
    holds = bool(
        bayer["together"] >= bayer["Malvar 2004"] - 1
        and bayer["refined"] >= bayer["Menon 2007"] - 1
        and all(one["together"] >= 40 for one in figures["copies"].values())
        and means["copies"]["together"] >= means["copies"]["one by one"] + 7
    )
    write("channels", CLAIM, {"mean": means, "side": given.side} | figures, holds, given.quick)


def crop(picture: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, of even sides."""
    corner = [max(whole - side, 0) // 4 * 2 for whole in picture.shape[:2]]
    return picture[tuple(slice(c, c + side) for c in corner)]


if __name__ == "__main__":
    main()

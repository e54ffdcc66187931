"""The eleven grey test pictures of the paper, half of their pixels missing."""

import argparse
from statistics import mean

from harness import GREYS, PEERS, fresh, half_missing, load_pictures, psnr, write
from skimage.metrics import structural_similarity

CLAIM = 'Eleven grey pictures, half missing, network="auto": a mean PSNR of at least 31.8 dB.'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="crops of 96; nothing is written")
    quick = parser.parse_args().quick
    figures = {}
    for name, whole in load_pictures(f"{name}_GT" for name in GREYS).items():
        picture = whole[-96:, -96:] if quick else whole
        missing = half_missing(picture.shape)
        figures[name.removesuffix("_GT")] = {"side": len(picture)}
        for peer, fill in PEERS.items():
            run = fresh(fill, picture, missing)
            figures[name.removesuffix("_GT")][peer] = {
                "psnr_db": psnr(picture, run.result),
                "ssim": structural_similarity(picture, run.result, data_range=1.0),
                "seconds": run.seconds,
            }
        print(name, figures[name.removesuffix("_GT")], flush=True)
    means = {
        peer: {key: mean(f[peer][key] for f in figures.values()) for key in ("psnr_db", "ssim")}
        | {"total_seconds": sum(f[peer]["seconds"] for f in figures.values())}
        for peer in PEERS
    }
    holds = bool(means["ntkfill"]["psnr_db"] >= 31.8)
    write("greys", CLAIM, {"mean": means, "pictures": figures}, holds, quick)


if __name__ == "__main__":
    main()

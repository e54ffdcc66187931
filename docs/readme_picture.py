"""Make the picture at the top of the README: ``python docs/readme_picture.py``.

The photo comes with scikit-learn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import ntkfill


def main() -> None:
    """Fill the photo, and write the picture beside this script."""
    photo = np.array(load_sample_image("china.jpg"))[10:266, 170:426]
    missing = np.random.default_rng(0).random(photo.shape[:2]) < 0.8
    missing[150:180, 60:90] = True
    damaged = np.where(missing[..., None], np.uint8(255), photo)
    filled = ntkfill.inpaint(damaged, missing, channel_axis=-1, refine="auto")

    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
    for axis, image, title in zip(
        axes,
        (damaged, filled, photo),
        ("known: two pixels in ten", "filled by ntkfill", "the truth"),
        strict=True,
    ):
        axis.imshow(image)
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout()
    place = Path(__file__).parent / "images" / "fill.jpg"
    figure.savefig(place, dpi=110, pil_kwargs={"quality": 85})
    print(f"{place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

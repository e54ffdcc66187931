"""
A hole in a photo
=================

Nothing is invented: a hole is filled smoothly from its surroundings. With ``refine="auto"`` what
repeats around a hole is continued into it (first row). In a smooth region biharmonic inpainting is
the most accurate (second row).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import ntkfill

try:
    from skimage.restoration import inpaint_biharmonic
except ImportError:
    inpaint_biharmonic = None
    print("pip install scikit-image to compare with biharmonic inpainting")

photo = np.array(load_sample_image("china.jpg"))
missing = np.zeros((128, 128), bool)
missing[52:76, 52:76] = True


def fill(truth):
    """All fills of a crop, by name."""
    known = np.where(missing[..., None], np.uint8(255), truth)
    panels = {
        "known": known,
        "ntkfill": ntkfill.inpaint(known, missing, channel_axis=-1),
        'refine="auto"': ntkfill.inpaint(
            known, missing, channel_axis=-1, refine="auto"
        ),
    }
    if inpaint_biharmonic:
        smooth = inpaint_biharmonic(known / 255, missing, channel_axis=-1)
        panels["biharmonic"] = np.uint8(np.rint(255 * smooth.clip(0, 1)))
    return panels | {"truth": truth}


rows = [
    fill(photo[top : top + 128, left : left + 128])
    for top, left in ((250, 150), (230, 300))
]
figure, axes = plt.subplots(2, len(rows[0]), figsize=(2.2 * len(rows[0]), 4.9))
for row, panels in zip(axes, rows, strict=True):
    for axis, (name, image) in zip(row, panels.items(), strict=True):
        axis.imshow(image[24:104, 24:104])
        axis.axis("off")
        error = image[missing].astype(float) - panels["truth"][missing]
        psnr = 20 * np.log10(255) - 10 * np.log10(max(np.mean(error**2), 1e-9))
        axis.set_title(
            name if name in ("known", "truth") else f"{name}, {psnr:.1f} dB",
            fontsize=9,
        )
figure.tight_layout()

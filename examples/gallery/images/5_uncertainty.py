"""
Where a fill can be trusted
===========================

Standard deviations next to the errors that were made. They are large in busy regions, and in the
middle of holes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import ntkfill

photo = np.array(load_sample_image("flower.jpg"))[90:218, 230:390].mean(
    axis=-1
)
missing = np.random.default_rng(0).random(photo.shape) < 0.5
missing[70:100, 120:150] = True
result = ntkfill.Inpainter().fill(
    np.where(missing, np.nan, photo), interval=0.9
)
error = np.abs(result.values - photo)
inside = (result.interval.lower <= photo) & (photo <= result.interval.upper)
print(
    f"{inside[missing].mean():.1%} of the missing pixels lie in their 90 % interval"
)

figure, axes = plt.subplots(2, 2, figsize=(8, 6.8))
for axis, image, title in zip(
    axes.flat,
    (np.where(missing, np.nan, photo), result.values, result.std, error),
    ("known", "filled", "standard deviation", "error"),
    strict=True,
):
    grey = title in ("known", "filled")
    axis.imshow(
        image,
        cmap="gray" if grey else "magma",
        vmin=0,
        vmax=255 if grey else 40,
    )
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()

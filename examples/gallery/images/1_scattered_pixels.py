"""
Nine pixels in ten missing
==========================

A photo of which one pixel in ten is known, filled by ntkfill and, where scikit-image is installed,
by its biharmonic inpainting.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import ntkfill

photo = np.array(load_sample_image("china.jpg"))[20:276, 180:436]
missing = np.random.default_rng(0).random(photo.shape[:2]) < 0.9
damaged = np.where(missing[..., None], np.uint8(0), photo)

started = time.perf_counter()
panels = {
    "known": damaged,
    "ntkfill": ntkfill.inpaint(damaged, missing, channel_axis=-1),
}
seconds = {"ntkfill": time.perf_counter() - started}
try:
    from skimage.restoration import inpaint_biharmonic
except ImportError:
    print("pip install scikit-image to compare with biharmonic inpainting")
else:
    started = time.perf_counter()
    biharmonic = inpaint_biharmonic(damaged / 255, missing, channel_axis=-1)
    seconds["biharmonic"] = time.perf_counter() - started
    panels["biharmonic"] = np.uint8(np.rint(255 * biharmonic.clip(0, 1)))
panels["truth"] = photo

figure, axes = plt.subplots(2, 2, figsize=(7, 7.4))
for axis in axes.flat:
    axis.axis("off")
for axis, (name, image) in zip(axes.flat, panels.items(), strict=False):
    axis.imshow(image)
    axis.set_title(name)
    if name in seconds:
        error = image[missing].astype(float) - photo[missing]
        psnr = 20 * np.log10(255) - 10 * np.log10(np.mean(error**2))
        axis.set_title(f"{name}, {psnr:.1f} dB, {seconds[name]:.1f} s")
figure.tight_layout()

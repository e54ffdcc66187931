"""
A hole in a photo
=================

A large hole is filled smoothly from its surroundings: nothing is invented. With ``refine="auto"``
what repeats around the hole is continued into it, where hidden holes of the same shape gain by that.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import ntkfill

photo = np.array(load_sample_image("china.jpg"))[160:320, 330:490]
missing = np.zeros(photo.shape[:2], bool)
missing[60:92, 66:98] = True
damaged = np.where(missing[..., None], np.uint8(255), photo)

panels = {
    "known": damaged,
    "ntkfill": ntkfill.inpaint(damaged, missing, channel_axis=-1),
    'refine="auto"': ntkfill.inpaint(damaged, missing, channel_axis=-1, refine="auto"),
}
try:
    from skimage.restoration import inpaint_biharmonic
except ImportError:
    print("pip install scikit-image to compare with biharmonic inpainting")
else:
    biharmonic = inpaint_biharmonic(damaged / 255, missing, channel_axis=-1)
    panels["biharmonic"] = np.uint8(np.rint(255 * biharmonic.clip(0, 1)))
panels["truth"] = photo

figure, axes = plt.subplots(1, len(panels), figsize=(2.6 * len(panels), 3))
for axis, (name, image) in zip(axes, panels.items(), strict=True):
    axis.imshow(image)
    axis.axis("off")
    error = image[missing].astype(float) - photo[missing]
    psnr = 20 * np.log10(255) - 10 * np.log10(max(np.mean(error**2), 1e-9))
    axis.set_title(name if name in ("known", "truth") else f"{name}, {psnr:.1f} dB")
figure.tight_layout()

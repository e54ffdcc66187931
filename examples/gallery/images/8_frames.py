"""
One mask, many frames
=====================

Dust on a sensor hides the same pixels in every frame. Kernel and factor are made once, by ``fit``.
"""

import matplotlib.pyplot as plt
import numpy as np

import ntkfill

rows, columns = np.indices((48, 64))
frames = [
    np.uint8(127 + 100 * np.sin((columns + 6 * t) / 9) * np.cos(rows / 7))
    for t in range(4)
]
scratch = np.zeros((48, 64), bool)
scratch[10:14] = True
scratch[:, 40:43] = True

inpainter = ntkfill.Inpainter().fit(mask=scratch)
figure, axes = plt.subplots(2, 4, figsize=(10, 4))
for number, frame in enumerate(frames):
    damaged = np.where(scratch, 0, frame).astype(np.uint8)
    filled = inpainter.transform(damaged)
    worst = np.abs(filled.astype(int) - frame)[scratch].max()
    print(f"frame {number}: largest error {worst} of 255")
    for axis, image in zip(axes[:, number], (damaged, filled), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.axis("off")
    axes[0, number].set_title(f"frame {number}")
figure.tight_layout()

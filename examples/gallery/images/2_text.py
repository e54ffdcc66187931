"""
Text over a photo
=================

Thin damage that covers a photo, such as text or scratches.
"""

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_image

import ntkfill

photo = np.array(load_sample_image("flower.jpg"))[70:262, 190:446]
page = Image.new("1", photo.shape[1::-1])
pen = ImageDraw.Draw(page)
for line in range(6):
    pen.text(
        (4, 32 * line),
        "fill in what is missing",
        fill=1,
        font=ImageFont.load_default(24),
    )
missing = np.array(page)
damaged = np.where(missing[..., None], np.uint8(255), photo)
filled = ntkfill.inpaint(damaged, missing, channel_axis=-1)

figure, axes = plt.subplots(3, 1, figsize=(5, 11.4))
for axis, image, title in zip(
    axes, (damaged, filled, photo), ("known", "filled", "truth"), strict=True
):
    axis.imshow(image)
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()

"""One mask, many frames: the kernel and the factor are made once."""

import numpy as np

import ntkfill

rows, columns = np.indices((48, 64))
frames = [np.uint8(127 + 100 * np.sin((columns + 3 * t) / 9) * np.cos(rows / 7)) for t in range(5)]
scratch = np.zeros((48, 64), bool)
scratch[10:14] = True
scratch[:, 40:43] = True

inpainter = ntkfill.Inpainter().fit(mask=scratch)
for number, frame in enumerate(frames):
    filled = inpainter.transform(np.where(scratch, 0, frame).astype(np.uint8))
    worst = np.abs(filled.astype(int) - frame)[scratch].max()
    print(f"frame {number}: largest error {worst} of 255")

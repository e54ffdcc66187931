"""
What an activation does to a correlation
========================================

Two inputs with correlation rho come out of a layer with another correlation, the *dual* of its
activation. Deep networks apply it again and again.
"""

import matplotlib.pyplot as plt
import numpy as np

from ntkfill import nn

rho = np.linspace(-1, 1, 201)
ones = np.ones_like(rho)
activations = {
    "ReLU": nn.ReLU(),
    "LeakyReLU(0.3)": nn.LeakyReLU(0.3),
    "Abs": nn.Abs(),
    "GELU": nn.GELU(),
    "Erf": nn.Erf(),
}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.8))
for name, activation in activations.items():
    dual, derivative = activation.dual(rho, ones, ones)
    axes[0].plot(rho, dual / dual[-1], label=name)
    axes[1].plot(rho, derivative / derivative[-1], label=name)
axes[0].set(title="dual, scaled to 1 at rho = 1", xlabel="rho")
axes[1].set(title="dual of the derivative, scaled", xlabel="rho")
axes[0].legend()
figure.tight_layout()

"""How gradients become steps."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx import optimizers

from edgellm.train.numerics import at_once
from edgellm.train.settings import TrainSettings

MOMENTUM = 0.9
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
"""Adam's own (Kingma and Ba 2015, arXiv:1412.6980)."""


def make_optimizer(settings: TrainSettings) -> optimizers.Optimizer:
    """The optimizer that the settings name; its learning rate is set before each step."""
    rate, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "adamw":
            return AdamW(rate, (_BETA_1, _BETA_2), _EPSILON, decay, bias_correction=True)
        case "lion":
            return optimizers.Lion(learning_rate=rate, weight_decay=decay)
        case "sgd":
            return optimizers.SGD(learning_rate=rate, weight_decay=decay, momentum=MOMENTUM)


class AdamW(optimizers.AdamW):
    """The library's (Loshchilov and Hutter 2019, arXiv:1711.05101), on a CPU in one pass over each array.

    One operation after the other, an adapter's many small arrays are passed over fifteen times. What is the same for
    all of them is computed outside: MLX would compile a kernel for each such number, which takes a second apiece.
    """

    def apply_gradients(self, gradients: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters after a step."""
        step, rate = self.step + 1, self.learning_rate  # the library counts the step when it is called
        self._same = 1 - rate * self.weight_decay, rate / (1 - _BETA_1**step), mx.rsqrt(1 - _BETA_2**step)
        return super().apply_gradients(gradients, parameters)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, mx.array]) -> mx.array:
        """One array after a step; `state` holds its moments."""
        parameter, (state["m"], state["v"]) = _adamw(gradient, parameter, (state["m"], state["v"]), self._same)
        return parameter


@at_once
def _adamw(
    gradient: mx.array,
    weight: mx.array,
    moments: tuple[mx.array, mx.array],
    same: tuple[mx.array, mx.array, mx.array],
) -> tuple[mx.array, tuple[mx.array, mx.array]]:
    """Weight and moments. `same`: what the weight keeps in its decay, and what corrects each moment's bias."""
    (m, v), (kept, rate, spread) = moments, same
    m = _BETA_1 * m + (1 - _BETA_1) * gradient
    v = _BETA_2 * v + (1 - _BETA_2) * mx.square(gradient)
    return weight * kept - rate * m / (mx.sqrt(v) * spread + _EPSILON), (m, v)

"""How gradients become steps."""

from __future__ import annotations

from mlx import optimizers

from edgellm.train.settings import TrainSettings

MOMENTUM = 0.9


def make_optimizer(settings: TrainSettings) -> optimizers.Optimizer:
    """The optimizer that the settings name; its learning rate is set before each step."""
    rate, decay = settings.learning_rate, settings.weight_decay
    match settings.optimizer:
        case "adamw":
            return optimizers.AdamW(learning_rate=rate, weight_decay=decay, bias_correction=True)
        case "lion":
            return optimizers.Lion(learning_rate=rate, weight_decay=decay)
        case "sgd":
            return optimizers.SGD(learning_rate=rate, weight_decay=decay, momentum=MOMENTUM)

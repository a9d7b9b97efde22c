"""The layers of `own_layers` for Keras 3."""

from __future__ import annotations

from typing import Any

import keras

from ..own_layers import own_layers

KINDS = own_layers(keras, keras.ops)
RowsAsSteps: Any = KINDS.RowsAsSteps
Sliced: Any = KINDS.Sliced
StepsAsRows: Any = KINDS.StepsAsRows
WithMask: Any = KINDS.WithMask

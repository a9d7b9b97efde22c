"""Whole functional networks in the manner of Keras' own examples, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases import Case

CASES: list[Case] = []


def network(**settings: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Make a case of a function of the keras module; it has the function's name."""

    def register(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
        CASES.append(Case(build.__name__, build, **{"scale": 0.2, **settings}))
        return build

    return register


def mlp(keras: Any, x: Any, widths: list[int], rate: float = 0.1) -> Any:
    for width in widths:
        x = keras.layers.Dense(width, activation=keras.activations.gelu)(x)
        x = keras.layers.Dropout(rate)(x)
    return x


def encoder_block(keras: Any, x: Any, heads: int = 2) -> Any:
    """Pre-normalised attention and a pointwise network, both with a way around."""
    layers = keras.layers
    normal = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Add()([layers.MultiHeadAttention(heads, x.shape[-1] // heads, dropout=0.1)(normal, normal), x])
    return layers.Add()([mlp(keras, layers.LayerNormalization(epsilon=1e-6)(x), [2 * x.shape[-1], x.shape[-1]]), x])


# ---- vision


@network()
def vision_transformer(keras: Any) -> Any:
    """Patches by `ops.image.extract_patches`, a table of positions, a pooled head."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((12, 12, 3))
    patches = ops.image.extract_patches(images, 4)
    patches = ops.reshape(patches, (-1, 9, 48))
    positions = layers.Embedding(9, 8)(ops.expand_dims(ops.arange(0, 9, 1), 0))
    x = layers.Dense(8)(patches) + positions
    for _ in range(2):
        x = encoder_block(keras, x)
    x = layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(images, layers.Dense(4)(mlp(keras, layers.Dropout(0.5)(x), [16, 8])))


@network()
def vision_transformer_with_a_class_token(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    images = keras.Input((12, 12, 3))
    x = layers.Reshape((9, 8))(layers.Conv2D(8, 4, strides=4)(images))
    token = layers.Dense(8)(ops.zeros_like(x[:, :1]))
    x = layers.Concatenate(axis=1)([token, x])
    x = x + np.linspace(-1, 1, 80, dtype="float32").reshape(1, 10, 8)
    x = encoder_block(keras, x)
    return keras.Model(images, layers.Dense(4)(x[:, 0]))


@network()
def compact_convolutional_transformer(keras: Any) -> Any:
    """Convolutions make the tokens; a sequence is pooled by attention."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(images)
    for filters in (6, 8):
        x = layers.Conv2D(filters, 3, 1, padding="valid", use_bias=False, activation="relu")(x)
        x = layers.MaxPooling2D(3, 2, padding="same")(layers.ZeroPadding2D(1)(x))
    x = layers.Reshape((-1, 8))(x)
    x = encoder_block(keras, x)
    weights = ops.softmax(layers.Dense(1)(layers.LayerNormalization()(x)), axis=1)
    pooled = ops.squeeze(ops.matmul(ops.transpose(weights, (0, 2, 1)), x), -2)
    return keras.Model(images, layers.Dense(3)(pooled))


@network()
def mlp_mixer(keras: Any) -> Any:
    layers = keras.layers
    images = keras.Input((12, 12, 3))
    x = layers.Reshape((9, 10))(layers.Conv2D(10, 4, 4)(images))
    for _ in range(2):
        turned = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        mixed = layers.Dense(9)(layers.Dense(12, activation="gelu")(turned))
        x = layers.Add()([x, layers.Permute((2, 1))(mixed)])
        x = layers.Add()([x, mlp(keras, layers.LayerNormalization()(x), [20, 10])])
    return keras.Model(images, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


@network()
def f_net(keras: Any) -> Any:
    """Tokens are mixed by the real part of a Fourier transform over both axes."""
    layers, ops = keras.layers, keras.ops
    given = keras.Input((8, 4))
    x = given
    for _ in range(2):
        mixed = ops.fft2((x, ops.zeros_like(x)))[0]
        x = layers.LayerNormalization()(x + mixed)
        x = layers.LayerNormalization()(x + mlp(keras, x, [8, 4]))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@network()
def g_mlp(keras: Any) -> Any:
    """A gate over the places of the sequence."""
    layers, ops = keras.layers, keras.ops
    given = keras.Input((6, 8))
    x = layers.Dense(16, activation="gelu")(layers.LayerNormalization()(given))
    u, v = ops.split(x, 2, axis=-1)
    v = layers.LayerNormalization()(v)
    gate = ops.transpose(layers.Dense(6, bias_initializer="ones")(ops.transpose(v, (0, 2, 1))), (0, 2, 1))
    x = given + layers.Dense(8)(u * gate)
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


@network()
def conv_mixer(keras: Any) -> Any:
    layers = keras.layers

    def activated(x: Any) -> Any:
        return layers.BatchNormalization()(layers.Activation("gelu")(x))

    images = keras.Input((16, 16, 3))
    x = activated(layers.Conv2D(8, 2, strides=2)(layers.Rescaling(1 / 255)(images)))
    for _ in range(2):
        x = layers.Add()([activated(layers.DepthwiseConv2D(5, padding="same")(x)), x])
        x = activated(layers.Conv2D(8, 1)(x))
    return keras.Model(images, layers.Dense(4, activation="softmax")(layers.GlobalAvgPool2D()(x)))


@network()
def mobile_vit_block(keras: Any) -> Any:
    """Convolutions, patches unfolded by reshapes, a transformer over each place of the patches, folded again."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((8, 8, 3))
    local = layers.Conv2D(6, 3, padding="same", activation="swish")(images)
    x = layers.Conv2D(6, 1, padding="same", activation="swish")(local)
    x = ops.reshape(x, (-1, 4, 16, 6))
    normal = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 6)(normal, normal)
    x = x + mlp(keras, layers.LayerNormalization()(x), [12, 6])
    x = layers.Reshape((8, 8, 6))(x)
    x = layers.Concatenate()([local, layers.Conv2D(6, 1, padding="same", activation=keras.activations.silu)(x)])
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="swish")(x)
    return keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


@network()
def swin_window_attention(keras: Any) -> Any:
    """Windows of a rolled picture, scaled products with a table of relative positions, rolled back."""
    layers, ops = keras.layers, keras.ops
    given = keras.Input((4, 4, 8))
    x = ops.roll(given, shift=[-1, -1], axis=[1, 2])
    x = ops.reshape(x, (-1, 2, 2, 2, 2, 8))
    windows = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 4, 4, 8))
    qkv = ops.transpose(ops.reshape(layers.Dense(24)(windows), (-1, 4, 4, 3, 2, 4)), (0, 3, 1, 4, 2, 5))
    q, k, v = qkv[:, 0], qkv[:, 1], qkv[:, 2]
    scores = ops.matmul(q * 0.5, ops.transpose(k, (0, 1, 2, 4, 3)))
    scores = scores + np.linspace(-1, 1, 32, dtype="float32").reshape(1, 1, 2, 4, 4)
    made = ops.transpose(ops.matmul(ops.softmax(scores, -1), v), (0, 1, 3, 2, 4))
    made = layers.Dense(8)(ops.reshape(made, (-1, 4, 4, 8)))
    made = ops.transpose(ops.reshape(made, (-1, 2, 2, 2, 2, 8)), (0, 1, 3, 2, 4, 5))
    made = ops.roll(ops.reshape(made, (-1, 4, 4, 8)), shift=[1, 1], axis=[1, 2])
    return keras.Model(given, given + made)


@network()
def involution_network(keras: Any) -> Any:
    """A kernel for every place, made of the picture itself and laid over its patches."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((6, 6, 4))
    kernel = layers.Conv2D(9, 1)(layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(2, 1)(images))))
    kernel = ops.expand_dims(ops.reshape(kernel, (-1, 6, 6, 9, 1)), -1)
    patches = ops.image.extract_patches(images, 3, strides=1, padding="same")
    patches = ops.reshape(patches, (-1, 6, 6, 9, 4, 1))
    made = ops.squeeze(ops.sum(kernel * patches, axis=3), -1)
    return keras.Model(images, layers.Dense(2)(layers.Flatten()(layers.ReLU()(made))))


@network()
def u_net(keras: Any) -> Any:
    """As in the image segmentation example: separable convolutions down, transposed ones up, residuals beside."""
    layers = keras.layers
    images = keras.Input((16, 16, 3))
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same")(images)))
    before = x
    for filters in (6, 8):
        x = layers.BatchNormalization()(
            layers.SeparableConv2D(filters, 3, padding="same")(layers.Activation("relu")(x))
        )
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        before = layers.add([x, layers.Conv2D(filters, 1, strides=2, padding="same")(before)])
        x = before
    for filters in (8, 6, 4):
        x = layers.Conv2DTranspose(filters, 3, padding="same")(layers.Activation("relu")(x))
        x = layers.UpSampling2D(2)(layers.BatchNormalization()(x))
        before = layers.add([x, layers.Conv2D(filters, 1, padding="same")(layers.UpSampling2D(2)(before))])
        x = before
    return keras.Model(images, layers.Conv2D(3, 3, activation="softmax", padding="same")(x))


@network()
def deep_lab_head(keras: Any) -> Any:
    """Dilated convolutions beside each other and the mean of the picture, enlarged by interpolation."""
    layers = keras.layers
    images = keras.Input((8, 8, 4))
    pooled = layers.AveragePooling2D((8, 8))(images)
    pooled = layers.UpSampling2D((8, 8), interpolation="bilinear")(layers.Conv2D(4, 1, activation="relu")(pooled))
    dilated = [layers.Conv2D(4, 3, dilation_rate=rate, padding="same", use_bias=False)(images) for rate in (1, 2, 3)]
    x = layers.Concatenate(axis=-1)([pooled, *map(layers.BatchNormalization(), dilated)])
    x = layers.UpSampling2D((2, 2), interpolation="bilinear")(layers.Conv2D(3, 1)(x))
    return keras.Model(images, x)


@network()
def super_resolution(keras: Any) -> Any:
    """Sub-pixel convolution (Shi et al. 2016): depth to space."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((6, 5, 1))
    x = images
    for filters in (8, 8, 6):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same", kernel_initializer="Orthogonal")(x)
    x = layers.Conv2D(9, 3, padding="same")(x)
    return keras.Model(images, ops.depth_to_space(x, 3))


@network()
def enhanced_super_resolution(keras: Any) -> Any:
    """EDSR: pixel shuffling by a reshape and a transpose, pixels scaled to 0 … 1 and clipped back."""
    layers, ops = keras.layers, keras.ops
    images = keras.Input((4, 5, 3))
    first = x = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 255)(images))
    for _ in range(2):
        x = layers.Add()(
            [x, layers.Conv2D(8, 3, padding="same")(layers.Conv2D(8, 3, padding="same", activation="relu")(x))]
        )
    x = layers.Conv2D(12, 3, padding="same")(layers.Add()([x, first]))
    x = ops.transpose(ops.reshape(x, (-1, 4, 5, 2, 2, 3)), (0, 1, 3, 2, 4, 5))
    x = layers.Rescaling(255)(ops.reshape(x, (-1, 8, 10, 3)))
    return keras.Model(images, ops.clip(x, 0, 255))


@network()
def low_light_enhancement(keras: Any) -> Any:
    """Zero-DCE: curves of each pixel, applied again and again."""
    layers, ops = keras.layers, keras.ops
    given = keras.Input((6, 6, 3))
    images = ops.sigmoid(given)
    one = layers.Conv2D(4, 3, activation="relu", padding="same")(images)
    two = layers.Conv2D(4, 3, activation="relu", padding="same")(one)
    curves = layers.Conv2D(12, 3, activation="tanh", padding="same")(layers.Concatenate()([one, two]))
    x = images
    for at in range(0, 12, 3):
        x = x + curves[:, :, :, at : at + 3] * (ops.square(x) - x)
    return keras.Model(given, x)


@network()
def squeeze_and_excite(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation=keras.activations.relu)(images)
    gate = ops.mean(x, axis=(1, 2), keepdims=True)
    gate = keras.activations.sigmoid(layers.Dense(8)(keras.activations.relu(layers.Dense(2)(gate))))
    x = keras.activations.relu(layers.BatchNormalization()(x * gate), max_value=6.0)
    return keras.Model(images, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))


@network()
def augmented_classifier(keras: Any) -> Any:
    """What only training alters stands in front."""
    layers = keras.layers
    images = keras.Input((8, 8, 3))
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(images))
    x = layers.RandomContrast(0.1)(layers.RandomZoom(0.1, 0.1)(x))
    x = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])(layers.Resizing(10, 9)(x))
    x = layers.GaussianNoise(0.1)(layers.SeparableConv2D(4, 3, activation="relu")(x))
    return keras.Model(images, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


# ---- generating


@network()
def convolutional_generator(keras: Any) -> Any:
    layers = keras.layers
    noise = keras.Input((6,))
    x = layers.Reshape((4, 4, 4))(layers.LeakyReLU(negative_slope=0.2)(layers.Dense(64, use_bias=False)(noise)))
    for filters in (6, 4):
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(x))
    return keras.Model(noise, layers.Conv2D(1, 5, padding="same", activation="sigmoid")(x))


@network()
def conditional_discriminator(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    images, labels = keras.Input((8, 8, 1)), keras.Input((1,), dtype="int32")
    spread = ops.reshape(ops.one_hot(ops.squeeze(labels, 1), 3), (-1, 1, 1, 3))
    spread = ops.repeat(ops.repeat(spread, 8, axis=1), 8, axis=2)
    x = layers.Concatenate()([images, spread])
    for filters in (4, 6):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 3, strides=2, padding="same")(x))
    return keras.Model([images, labels], layers.Dense(1)(layers.GlobalMaxPooling2D()(x)))


@network()
def cycle_gan_generator(keras: Any) -> Any:
    """Instance normalisation, reflected borders."""
    layers, ops = keras.layers, keras.ops

    def normal(x: Any) -> Any:
        return layers.GroupNormalization(groups=-1)(x)

    images = keras.Input((8, 8, 3))
    x = ops.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]], mode="reflect")
    x = layers.Activation("relu")(normal(layers.Conv2D(4, 7, use_bias=False)(x)))
    x = layers.Activation("relu")(normal(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    inner = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    x = layers.add([x, normal(layers.Conv2D(8, 3, use_bias=False)(inner))])
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)(x)
    return keras.Model(images, layers.Conv2D(3, 7, padding="same", activation="tanh")(normal(x)))


@network()
def variational_encoder(keras: Any) -> Any:
    """Mean and logarithm of the variance, and the standard deviation; the sample is drawn elsewhere."""
    layers, ops = keras.layers, keras.ops
    images, noise = keras.Input((8, 8, 1)), keras.Input((2,))
    x = layers.Conv2D(4, 3, activation="relu", strides=2, padding="same")(images)
    x = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    mean, log_variance = layers.Dense(2, name="z_mean")(x), layers.Dense(2, name="z_log_var")(x)
    z = mean + ops.exp(0.5 * log_variance) * noise
    x = layers.Reshape((4, 4, 2))(layers.Dense(32, activation="relu")(z))
    x = layers.Conv2DTranspose(4, 3, activation="relu", strides=2, padding="same")(x)
    decoded = layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(x)
    divergence = ops.mean(-0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance)), axis=1)
    return keras.Model([images, noise], [decoded, mean, log_variance, divergence])


@network()
def diffusion_u_net(keras: Any) -> Any:
    """Times as sines and cosines, spread over the picture; swish, residuals, attention over the pixels."""
    layers, ops = keras.layers, keras.ops
    images, times = keras.Input((8, 8, 3)), keras.Input((1, 1, 1))
    speeds = (2.0 * np.pi * np.exp(np.linspace(np.log(1.0), np.log(100.0), 4))).astype("float32")
    angles = ops.multiply(times, speeds)
    emb = layers.Dense(8, activation="swish")(ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=3))
    emb = layers.UpSampling2D(size=8, interpolation="nearest")(emb)
    skip = layers.Conv2D(8, 1)(images)
    x = layers.Concatenate()([layers.GroupNormalization(4)(skip), emb])
    x = layers.Add()([layers.Conv2D(8, 3, padding="same", activation=keras.activations.swish)(x), skip])
    down = layers.AveragePooling2D(2)(x)
    flat = layers.Reshape((16, 8))(down)
    down = down + layers.Reshape((4, 4, 8))(layers.Attention(use_scale=False)([flat, flat]))
    x = layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(down), x])
    return keras.Model([images, times], layers.Conv2D(3, 1, kernel_initializer="zeros")(x))


@network()
def neural_radiance_field(keras: Any) -> Any:
    """Rays as sines and cosines of rising frequencies; a way around in the middle."""
    layers, ops = keras.layers, keras.ops
    rays = keras.Input((5, 3))
    waves = [rays]
    for octave in range(4):
        waves += [ops.sin(2.0**octave * rays), ops.cos(2.0**octave * rays)]
    given = x = ops.concatenate(waves, axis=-1)
    for number in range(4):
        x = layers.Dense(8, activation="relu")(x)
        if number == 2:
            x = layers.concatenate([x, given], axis=-1)
    made = layers.Dense(4)(x)
    colours, density = ops.sigmoid(made[..., :-1]), ops.relu(made[..., -1])
    alpha = 1.0 - ops.exp(-density * 0.1)
    light = ops.cumprod(1.0 - alpha + 1e-10, axis=-1)
    return keras.Model(rays, ops.sum((alpha * light)[..., None] * colours, axis=-2))


# ---- sequences and time


@network()
def text_classifier(keras: Any) -> Any:
    layers = keras.layers
    ids = keras.Input((None,), dtype="int64")
    x = layers.Dropout(0.5)(layers.Embedding(20, 6)(ids))
    x = layers.Conv1D(6, 7, padding="same", activation="relu", strides=1)(x)
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(6, 3, padding="same", activation="relu", strides=1)(x))
    return keras.Model(ids, layers.Dense(1, activation="sigmoid")(layers.Dense(4, activation="relu")(x)))


@network()
def causal_language_model(keras: Any) -> Any:
    """Token and position tables, a causal block, logits by the transposed token table's shape."""
    layers, ops = keras.layers, keras.ops
    ids = keras.Input((8,), dtype="int32")
    x = layers.Embedding(11, 8)(ids) + layers.Embedding(8, 8)(ops.arange(8))
    attended = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(epsilon=1e-6)(x + attended)
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dense(8)(layers.Dense(16, activation="relu")(x)))
    return keras.Model(ids, layers.Dense(11)(x))


@network()
def masked_translation(keras: Any) -> Any:
    """A transformer that reads one sequence and writes another, padding masked in both."""
    layers = keras.layers
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    x = layers.Embedding(12, 8, mask_zero=True)(source)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    y = layers.Embedding(10, 8, mask_zero=True)(target)
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True))
    y = layers.LayerNormalization()(y + layers.MultiHeadAttention(2, 4)(y, x))
    return keras.Model([source, target], layers.Dense(10, activation="softmax")(layers.Dropout(0.5)(y)))


@network()
def sinusoidal_positions(keras: Any) -> Any:
    """Angles are computed in the network, from positions that are given."""
    layers, ops = keras.layers, keras.ops
    given, places = keras.Input((6, 8)), keras.Input((6,))
    rates = (1 / 10000 ** (np.arange(4) / 4)).astype("float32")
    angles = ops.einsum("bt,d->btd", places * 50.0, rates)
    x = given + ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
    return keras.Model([given, places], layers.Dense(2)(encoder_block(keras, x)))


@network()
def seq2seq(keras: Any) -> Any:
    layers = keras.layers
    given, target = keras.Input((None, 5)), keras.Input((None, 4))
    _, h, c = layers.LSTM(6, return_state=True)(given)
    x, _, _ = layers.LSTM(6, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    return keras.Model([given, target], layers.Dense(4, activation="softmax")(x))


@network()
def timeseries_transformer(keras: Any) -> Any:
    layers = keras.layers
    given = x = keras.Input((20, 1))
    for _ in range(2):
        attended = layers.MultiHeadAttention(key_dim=4, num_heads=2, dropout=0.25)(x, x)
        res = layers.LayerNormalization(epsilon=1e-6)(layers.Dropout(0.25)(attended)) + x
        x = layers.Conv1D(filters=4, kernel_size=1, activation="relu")(res)
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Conv1D(filters=1, kernel_size=1)(x)) + res
    x = layers.GlobalAveragePooling1D(data_format="channels_last")(x)
    return keras.Model(given, layers.Dense(2, activation="softmax")(layers.Dense(8, activation="relu")(x)))


@network()
def anomaly_autoencoder(keras: Any) -> Any:
    layers = keras.layers
    model = keras.Sequential([keras.Input((16, 2))])
    for filters in (8, 4):
        model.add(layers.Conv1D(filters, 7, padding="same", strides=2, activation="relu"))
        model.add(layers.Dropout(0.2))
    for filters in (4, 8):
        model.add(layers.Conv1DTranspose(filters, 7, padding="same", strides=2, activation="relu"))
    model.add(layers.Conv1DTranspose(1, 7, padding="same"))
    return model


@network()
def traffic_forecast(keras: Any) -> Any:
    """Graph convolution by a fixed adjacency matrix, an LSTM over the time of every node."""
    layers, ops = keras.layers, keras.ops
    adjacency = np.abs(np.linspace(-1, 1, 16, dtype="float32").reshape(4, 4))
    given = keras.Input((6, 4, 1))
    x = ops.einsum("btnf,nm->btmf", layers.Dense(5)(given), adjacency)
    x = ops.concatenate([layers.Dense(5)(given), x], axis=-1)
    x = ops.transpose(ops.relu(x), (0, 2, 1, 3))
    x = layers.TimeDistributed(layers.LSTM(5))(x)
    return keras.Model(given, ops.transpose(layers.Dense(3)(x), (0, 2, 1)))


@network()
def next_frame(keras: Any) -> Any:
    layers = keras.layers
    films = keras.Input((3, 8, 8, 1))
    x = films
    for size in (5, 3):
        x = layers.ConvLSTM2D(4, size, padding="same", return_sequences=True, activation="relu")(x)
        x = layers.BatchNormalization()(x)
    return keras.Model(films, layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x))


@network()
def films_both_ways(keras: Any) -> Any:
    layers = keras.layers
    films = keras.Input((3, 6, 5, 2))
    x = layers.Bidirectional(layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True))(films)
    x = layers.Bidirectional(layers.ConvLSTM2D(2, 3), merge_mode="sum")(x)
    return keras.Model(films, layers.Dense(2)(layers.Flatten()(x)))


@network()
def volumes(keras: Any) -> Any:
    layers = keras.layers
    scans = x = keras.Input((10, 10, 8, 1))
    for filters in (4, 6):
        x = layers.Conv3D(filters, 3, activation="relu", padding="same")(x)
        x = layers.BatchNormalization()(layers.MaxPool3D(2)(x))
    return keras.Model(scans, layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling3D()(x)))


@network()
def point_net(keras: Any) -> Any:
    """A transform that the points themselves decide, applied to them."""
    layers = keras.layers
    points = keras.Input((10, 3))
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.0)(layers.Conv1D(6, 1, padding="valid")(points)))
    x = layers.Dense(9, kernel_initializer="zeros")(layers.GlobalMaxPooling1D()(x))
    turned = layers.Dot(axes=(2, 1))([points, layers.Reshape((3, 3))(x)])
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(8, 1, activation="relu")(turned))
    return keras.Model(points, layers.Dense(3, activation="softmax")(layers.Dropout(0.3)(x)))


# ---- sound


@network()
def speech_recogniser(keras: Any) -> Any:
    """DeepSpeech2: convolutions over a spectrogram, two directions of a GRU over its time."""
    layers, ops = keras.layers, keras.ops
    spectrogram = keras.Input((12, 9))
    x = layers.Reshape((12, 9, 1))(spectrogram)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, (5, 3), (2, 2), padding="same", use_bias=False)(x)))
    x = layers.Reshape((-1, x.shape[-2] * x.shape[-1]))(x)
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True, reset_after=True))(x)
    return keras.Model(spectrogram, layers.Dense(6, activation="softmax")(ops.relu(layers.Dense(8)(x))))


@network()
def speaker_recogniser(keras: Any) -> Any:
    """Residual convolutions over the magnitudes of a Fourier transform of the sound."""
    layers, ops = keras.layers, keras.ops
    sound = keras.Input((32,))
    real, imaginary = ops.fft((sound, ops.zeros_like(sound)))
    magnitudes = ops.sqrt(ops.square(real) + ops.square(imaginary))[:, :16, None]
    beside = layers.Conv1D(4, 1, padding="same")(magnitudes)
    x = layers.Conv1D(4, 3, padding="same")(layers.Activation("relu")(layers.Conv1D(4, 3, padding="same")(magnitudes)))
    x = layers.MaxPool1D(pool_size=2, strides=2)(layers.Activation("relu")(layers.Add()([x, beside])))
    return keras.Model(sound, layers.Dense(3, activation="softmax")(layers.Flatten()(layers.AveragePooling1D(3, 3)(x))))


@network()
def spectrogram_classifier(keras: Any) -> Any:
    layers = keras.layers
    sound = keras.Input((256,))
    x = layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=16, top_db=1e3)(sound)
    x = layers.Conv2D(4, 3, activation="relu")(layers.Reshape((16, -1, 1))(x))
    return keras.Model(sound, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


# ---- tables and recommendations


@network()
def structured_data(keras: Any) -> Any:
    """Numbers scaled, categories counted in by layers of the network itself."""
    layers = keras.layers
    age, kind, place = (
        keras.Input((1,), name=name, dtype=dtype)
        for name, dtype in (("age", "float32"), ("kind", "string"), ("place", "int64"))
    )
    scaled = layers.Normalization(mean=40.0, variance=90.0)(age)
    kinds = layers.StringLookup(vocabulary=["normal", "fixed", "reversible"], output_mode="one_hot")(kind)
    places = layers.IntegerLookup(vocabulary=[1, 3, 7], output_mode="multi_hot")(place)
    bins = layers.CategoryEncoding(4, output_mode="one_hot")(layers.Discretization([20.0, 40.0, 60.0])(age))
    x = layers.concatenate([scaled, kinds, places, bins])
    x = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(x))
    return keras.Model([age, kind, place], layers.Dense(1, activation="sigmoid")(x))


@network()
def wide_and_deep(keras: Any) -> Any:
    layers = keras.layers
    numbers, category = keras.Input((4,), name="numbers"), keras.Input((), name="category", dtype="string")
    words = ["red", "the cat sat", "Größe, über ALLES!", "семьи", ""]  # all that the tests ever ask for
    ids = layers.StringLookup(vocabulary=words, mask_token=None, num_oov_indices=0)(category)
    embedded = layers.Embedding(5, 4)(ids)
    deep = x = layers.BatchNormalization()(layers.concatenate([numbers, embedded]))
    for units in (8, 8):
        deep = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(deep)))
    wide = layers.BatchNormalization()(layers.concatenate([numbers, layers.CategoryEncoding(5, "one_hot")(ids)]))
    cross = x
    for _ in range(2):
        cross = x * layers.Dense(x.shape[-1])(cross) + cross
    return keras.Model([numbers, category], layers.Dense(1)(layers.concatenate([deep, wide, cross])))


@network()
def gated_residual_network(keras: Any) -> Any:
    """Gates choose between features and ways around them; a softmax weighs the features."""
    layers, ops = keras.layers, keras.ops
    given = keras.Input((3, 4))
    parts = []
    for at in range(3):
        x = given[:, at]
        y = layers.Dropout(0.1)(layers.Dense(4)(layers.Dense(4, activation="elu")(x)))
        parts.append(layers.LayerNormalization()(x + layers.Dense(4)(y) * layers.Dense(4, activation="sigmoid")(y)))
    weights = ops.expand_dims(layers.Dense(3, activation="softmax")(layers.Flatten()(given)), -1)
    pooled = ops.squeeze(ops.matmul(ops.transpose(weights, (0, 2, 1)), ops.stack(parts, axis=1)), 1)
    return keras.Model(given, layers.Dense(1)(pooled))


@network()
def collaborative_filtering(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    pairs = keras.Input((2,), dtype="int32")
    user, film = layers.Embedding(6, 4)(pairs[:, 0]), layers.Embedding(6, 4)(pairs[:, 1])
    biases = layers.Embedding(6, 1)(pairs[:, 0]) + layers.Embedding(6, 1)(pairs[:, 1])
    return keras.Model(pairs, ops.sigmoid(ops.sum(user * film, axis=-1, keepdims=True) + biases))


@network()
def behaviour_sequence(keras: Any) -> Any:
    """Films seen and how they were liked, weighed by attention, beside the user's own features."""
    layers, ops = keras.layers, keras.ops
    films, ratings = keras.Input((4,), dtype="int32"), keras.Input((4,))
    target = keras.Input((1,), dtype="int32")
    table = layers.Embedding(9, 6)
    seen = layers.multiply([table(films), ops.expand_dims(ratings, -1)]) + layers.Embedding(4, 6)(ops.arange(4))
    x = layers.concatenate([seen, table(target)], axis=1)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 6, dropout=0.1)(x, x)]))
    x = layers.LeakyReLU()(layers.BatchNormalization()(layers.Dense(8)(layers.Flatten()(x))))
    return keras.Model([films, ratings, target], layers.Dense(1)(x))


@network()
def two_towers(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    query, candidate = keras.Input((5,)), keras.Input((6,))
    left, right = (
        ops.normalize(layers.Dense(4)(layers.Dense(8, activation="relu")(x)), axis=-1) for x in (query, candidate)
    )
    closeness = layers.Dot(axes=1, normalize=True)([left, right])
    return keras.Model(
        [query, candidate], [closeness, ops.sqrt(ops.maximum(ops.sum(ops.square(left - right), 1), 1e-7))]
    )


@network()
def mixture_of_experts(keras: Any) -> Any:
    layers, ops = keras.layers, keras.ops
    given = keras.Input((6,))
    experts = ops.stack([layers.Dense(4, activation="relu")(given) for _ in range(3)], axis=1)
    gates = ops.softmax(layers.Dense(3)(given))
    best = ops.one_hot(ops.argmax(gates, axis=-1), 3)
    return keras.Model(given, [ops.sum(experts * (gates * best)[..., None], axis=1), ops.max(gates, axis=-1)])


@network()
def q_network(keras: Any) -> Any:
    """Frames from channels first, as games give them, to the value of an action."""
    layers, ops = keras.layers, keras.ops
    frames = keras.Input((4, 20, 20))
    x = ops.transpose(frames, (0, 2, 3, 1))
    x = layers.Conv2D(4, 8, strides=4, activation="relu")(x / 255.0)
    x = layers.Flatten()(layers.Conv2D(6, 2, strides=2, activation="relu")(x))
    value, advantage = layers.Dense(1)(x), layers.Dense(3)(x)
    return keras.Model(frames, value + (advantage - ops.mean(advantage, axis=1, keepdims=True)))

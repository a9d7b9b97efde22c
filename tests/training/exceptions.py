"""Cases whose gradients cannot be compared, each with the reason.

Those of layers that never learn are not listed: their rules say so.
"""

from __future__ import annotations

__all__ = ["REFUSED", "REFUSED_BY_BATCHES", "WITHOUT_CASES"]

# A piece of the refusal to learn, and the cases that it is given for.
REFUSED_FOR = {
    "changes its inputs at random": ("wrappers/pipeline",),
    "has no gradient in NeoML": (
        "activation_layers/dense_relu_layer",
        "activation_layers/relu_all",
        "activation_layers/relu_threshold",
        "activations/activation_hard_shrink",
        "activations/activation_hard_shrink_3d",
        "scaling/unit_of_zeros",
        "spectrograms/stft_spectrogram_angle",
    ),
    "which has no gradient": (
        "activation_layers/softmax_mask_spread",
        "activation_layers/sparsemax_2d",
        "activation_layers/sparsemax_3d",
        "activation_layers/sparsemax_4d",
        "networks/mixture_of_experts",
        "operation_composed/norm_of_order_0",
        "operation_elementwise/where_fixed",
        "operation_composed/ldexp",
        "operation_losses/sparse_categorical_crossentropy",
        "operation_losses/sparse_categorical_crossentropy_of_logits",
        "unfolded_tensorflow/entries",
        "unfolded_tensorflow/matrices",
    ),
    "stands inside the network": ("networks/structured_data", "networks/wide_and_deep"),
    "shared by several channels": (
        "spectrograms/stft_spectrogram_as_pictures",
        "spectrograms/stft_spectrogram_of_channels",
    ),
    "computed with the weight": (
        "unfolded/nearest_codes",
        "unfolded/positions_from_the_end",
        "unfolded/weights_of_weights",
        "unfolded_axes/layers_beside_weights",
        "unfolded_axes/subscripts_of_weights_and_sizes",
        "unfolded_sizes/grids_of_an_open_picture",
        "unfolded_sizes/relative_shift",
        "unfolded_tensorflow/masked_kernel",
        "unfolded_tensorflow/one_number_of_a_weight",
    ),
    "repeated before they are looked up": ("core/embedding_of_repeated_ids",),
    "learns from ids that are computed": (
        "core/embedding_of_computed_ids",
        "core/embedding_of_computed_ids_masked",
        "core/embedding_of_computed_ids_twice",
        "whole_numbers/bucket",
        "whole_numbers/wide_from_floats",
    ),
    "NeoML's losses take 5": (
        "attention/multi_head_two_axes_scores",
        "convolution_recurrent/conv_lstm3d_backwards",
        "convolution_recurrent/conv_lstm3d_sequences",
        "normalization/batch_6d",
        "operation_products/matmul_rank_6",
        "operation_axes/reductions_of_rank_6",
        "scaling/layer_6d",
    ),
    "which NeoML would train": (
        "convolution_recurrent/conv_lstm3d_dilated",
        "convolutions/conv1d_transposed_open_valid",
        "convolutions/conv1dtranspose_output_padding_valid",
        "convolutions/conv1dtranspose_same_kernel_1",
        "convolutions/conv1dtranspose_same_stride_beyond_kernel",
        "convolutions/conv1dtranspose_valid_stride_beyond_kernel",
        "convolutions/conv2dtranspose_output_padding_valid",
        "convolutions/conv2dtranspose_same_kernel_1",
        "convolutions/conv2dtranspose_same_stride_beyond_kernel",
        "convolutions/conv2dtranspose_valid_stride_beyond_kernel",
        "convolutions/conv3d_dilated",
        "convolutions/conv3d_same_dilated",
        "convolutions/conv3dtranspose_output_padding_valid",
        "convolutions/conv3dtranspose_same_kernel_1",
        "convolutions/conv3dtranspose_same_stride_beyond_kernel",
        "convolutions/conv3dtranspose_valid_stride_beyond_kernel",
        "convolutions/depthwiseconv1d_dilated",
        "convolutions/depthwiseconv1d_same_dilated",
        "convolutions/depthwiseconv2d_dilated",
        "convolutions/depthwiseconv2d_same_dilated",
        "convolutions/separableconv1d_dilated",
        "convolutions/separableconv2d_dilated",
        "open_sizes/conv1d_transposed_beyond_kernel",
        "open_sizes/conv2d_transposed_beyond_kernel",
        "open_sizes/conv3d_transposed_beyond_kernel",
        "normalization/batch_after_conv3d",
        "normalization/batch_after_transposed",
    ),
}
REFUSED = {key: words for words, keys in REFUSED_FOR.items() for key in keys}
# The same, where BatchNormalization would compute with the statistics of each batch.
REFUSED_BY_BATCHES = {
    "normalization/batch_renorm": "renorm True is not handled in training",
}
# Refused, but Keras cannot build a functional model with it, or what is named is its activation or a comparison.
WITHOUT_CASES = {"Dense", "Equalization", "RandomHeight", "RandomWidth", "ops.HSVToRGB"}

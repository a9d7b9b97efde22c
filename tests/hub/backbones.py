"""Backbones of keras-hub as data: small ones with random weights, and inputs that they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

import numpy as np

__all__ = ["BACKBONES", "Backbone"]

VOCABULARY = 23
ROWS_AND_STEPS = ((4, 12), (1, 1), (3, 5))


@dataclass(frozen=True)
class Backbone:
    """One backbone to port.

    Attributes:
        kind: its class in ``keras_hub.models``.
        settings: what the class is given; a part of its own is a `Backbone` too.
        side: of the square image that it takes.
        length: the only one that it takes.
        refused: a piece of the refusal by engine, where an engine cannot hold it.
        longest: how many steps tables have that are made of sizes alone.
    """

    kind: str
    settings: Mapping[str, Any]
    side: int = 16
    length: Optional[int] = None
    refused: Mapping[str, str] = field(default_factory=dict)
    longest: int = 16

    def build(self, models: Any) -> Any:
        """The backbone, its weights as Keras makes them."""
        given = {
            key: value.build(models) if isinstance(value, Backbone) else value for key, value in self.settings.items()
        }
        return getattr(models, self.kind)(**given)

    def inputs(self, model: Any) -> Iterator[dict[str, np.ndarray]]:
        """Inputs of several sizes; padding on the right, on the left, in holes, and nothing but padding."""
        rng = np.random.default_rng(5)
        given = model.input if isinstance(model.input, dict) else {"images": model.input}
        for rows, steps in ROWS_AND_STEPS:
            made = {name: self._input(one, rows, self.length or steps, rng) for name, one in given.items()}
            yield made if isinstance(model.input, dict) else made["images"]

    def _input(self, given: Any, rows: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        shape = (rows, *(steps if size is None else size for size in given.shape[1:]))
        if len(shape) == 4:
            return rng.normal(size=(rows, self.side, self.side, 3)).astype("float32")
        if given.dtype.startswith("float"):
            return rng.normal(size=shape).astype("float32")
        if "positions" in given.name:
            return rng.integers(0, steps, shape).astype("int32")
        if "mask" in given.name:
            return self._padding(shape, rng)
        return rng.integers(0, 2 if "segment" in given.name else VOCABULARY, shape).astype("int32")

    @staticmethod
    def _padding(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        kept = np.ones(shape, "int32")
        patterns = (slice(0, 0), slice(shape[1] // 2 + 1, None), slice(0, shape[1] // 2), rng.random(shape[1]) < 0.4)
        for row in range(shape[0]):
            kept[row, patterns[row % len(patterns)]] = 0
        return kept


def transformer(kind: str, words: str = "vocabulary_size", heads: str = "num_heads", **more: Any) -> Backbone:
    refused = more.pop("refused", {})
    settings = {words: VOCABULARY, "num_layers": 2, heads: 2, "hidden_dim": 8, "intermediate_dim": 12}
    return Backbone(kind, {**settings, **more}, refused=refused)


grouped = partial(transformer, heads="num_query_heads", num_key_value_heads=1)
towers: Mapping[str, Any] = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
vision = partial(Backbone, settings={**towers, "patch_size": 4, "image_shape": (16, 16, 3)})
text = partial(
    Backbone,
    settings={**towers, "vocabulary_size": VOCABULARY, "embedding_dim": 8, "max_sequence_length": 12},
    length=12,
)


MIT = Backbone(
    "MiTBackbone",
    {
        "layerwise_depths": [1, 2],
        "num_layers": 2,
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [2, 1],
        "max_drop_path_rate": 0.1,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "hidden_dims": [4, 8],
        "image_shape": (32, 32, 3),
    },
    side=32,
)
SEGFORMER = Backbone("SegFormerBackbone", {"image_encoder": MIT, "projection_filters": 6}, side=32)
VIT = Backbone(
    "ViTBackbone",
    {"image_shape": (16, 16, 3), "patch_size": (4, 4), "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12},
)
RESNET: Mapping[str, Any] = {
    "input_conv_filters": [6],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 8],
    "stackwise_num_blocks": [2, 1],
    "stackwise_num_strides": [1, 2],
    "image_shape": (32, 32, 3),
}

BACKBONES: Mapping[str, Backbone] = {
    "bert": transformer("BertBackbone"),
    "distilbert": transformer("DistilBertBackbone"),
    "roberta": transformer("RobertaBackbone"),
    "xlm_roberta": transformer("XLMRobertaBackbone"),
    "albert": transformer("AlbertBackbone", embedding_dim=4),
    "electra": transformer("ElectraBackbone", words="vocab_size", embedding_dim=4),
    "deberta": transformer("DebertaV3Backbone", bucket_size=4),
    "gpt2": transformer("GPT2Backbone"),
    "gpt_neox": transformer("GPTNeoXBackbone", rotary_percentage=0.5),
    "opt": transformer("OPTBackbone"),
    "bloom": transformer("BloomBackbone"),
    "mistral": grouped("MistralBackbone", sliding_window=3),
    "qwen": grouped("QwenBackbone"),
    "phi3": grouped("Phi3Backbone"),
    "llama": grouped("LlamaBackbone"),
    "gemma": grouped("GemmaBackbone", head_dim=4),
    "gemma2": grouped("GemmaBackbone", head_dim=4, use_post_ffw_norm=True, attention_logit_soft_cap=50.0),
    "falcon": transformer("FalconBackbone", heads="num_attention_heads"),
    "t5": transformer("T5Backbone"),
    "bart": transformer("BartBackbone"),
    "whisper": transformer("WhisperBackbone", num_mels=5, max_encoder_sequence_length=40),
    "clip_vision": vision("CLIPVisionEncoder"),
    "clip_text": text("CLIPTextEncoder"),
    "clip": Backbone(
        "CLIPBackbone",
        {"vision_encoder": vision("CLIPVisionEncoder"), "text_encoder": text("CLIPTextEncoder"), "projection_dim": 6},
        length=12,
        refused={"neoml": "a product of two tensors over the batch axis"},
    ),
    "siglip_vision": vision("SigLIPVisionEncoder"),
    "siglip_text": text("SigLIPTextEncoder"),
    "siglip": Backbone(
        "SigLIPBackbone",
        {"vision_encoder": vision("SigLIPVisionEncoder"), "text_encoder": text("SigLIPTextEncoder")},
        length=12,
        refused={"neoml": "a product of two tensors over the batch axis"},
    ),
    "vit": VIT,
    "dinov2": Backbone(
        "DINOV2Backbone",
        {**towers, "patch_size": 4, "image_shape": (16, 16, 3), "position_embedding_shape": (20, 20)},
    ),
    "mit": MIT,
    "segformer": SEGFORMER,
    "hgnetv2": Backbone(
        "HGNetV2Backbone",
        {
            "depths": [1, 2],
            "embedding_size": 4,
            "hidden_sizes": [6, 8],
            "stem_channels": [3, 4, 4],
            "hidden_act": "relu",
            "use_learnable_affine_block": True,
            "stackwise_stage_filters": [(4, 4, 6, 1, 1, 3), (6, 4, 8, 2, 2, 3)],
            "apply_downsample": [False, True],
            "use_lightweight_conv_block": [False, True],
            "image_shape": (32, 32, 3),
        },
        side=32,
    ),
    "resnet": Backbone("ResNetBackbone", {**RESNET, "block_type": "bottleneck_block"}, side=32),
    "resnetv2": Backbone(
        "ResNetBackbone",
        {**RESNET, "block_type": "bottleneck_block", "use_pre_activation": True},
        side=32,
    ),
    "mobilenet": Backbone(
        "MobileNetBackbone",
        {
            "stackwise_expansion": [[6, 8], [8, 8]],
            "stackwise_num_blocks": [2, 2],
            "stackwise_num_filters": [[4, 4], [6, 6]],
            "stackwise_kernel_size": [[3, 3], [5, 5]],
            "stackwise_num_strides": [[2, 1], [1, 1]],
            "stackwise_se_ratio": [[None, None], [0.25, 0.25]],
            "stackwise_activation": [["relu", "relu"], ["hard_swish", "hard_swish"]],
            "stackwise_padding": [[1, 1], [2, 2]],
            "output_num_filters": 8,
            "depthwise_filters": 8,
            "depthwise_stride": 1,
            "depthwise_residual": False,
            "last_layer_filter": 8,
            "squeeze_and_excite": 0.5,
            "input_num_filters": 4,
            "image_shape": (32, 32, 3),
        },
        side=32,
    ),
    "efficientnet": Backbone(
        "EfficientNetBackbone",
        {
            "stackwise_kernel_sizes": [3, 5],
            "stackwise_num_repeats": [1, 2],
            "stackwise_input_filters": [4, 8],
            "stackwise_output_filters": [8, 8],
            "stackwise_expansion_ratios": [1, 2],
            "stackwise_squeeze_and_excite_ratios": [0.0, 0.25],
            "stackwise_strides": [1, 2],
            "stackwise_block_types": ["fused", "unfused"],
            "stackwise_width_coefficients": [1.0, 1.0],
            "stackwise_depth_coefficients": [1.0, 1.0],
            "num_features": 8,
            "input_shape": (32, 32, 3),
        },
        side=32,
    ),
    "cspnet": Backbone(
        "CSPNetBackbone",
        {
            "stem_filters": 4,
            "stem_kernel_size": 3,
            "stem_strides": 1,
            "stackwise_depth": [1, 2],
            "stackwise_strides": [1, 2],
            "stackwise_num_filters": [6, 8],
            "block_type": "edge_block",
            "stage_type": "csp",
            "bottle_ratio": [0.5],
            "block_ratio": [0.5],
            "image_shape": (32, 32, 3),
        },
        side=32,
    ),
    "deit": Backbone("DeiTBackbone", {**towers, "image_shape": (16, 16, 3), "patch_size": 4}),
    "swin": Backbone(
        "SwinTransformerBackbone",
        {
            "image_shape": (16, 16, 3),
            "embed_dim": 4,
            "depths": (2, 1),
            "num_heads": (1, 2),
            "window_size": 2,
            "patch_size": 2,
        },
    ),
    "bert_classifier": Backbone("BertTextClassifier", {"backbone": transformer("BertBackbone"), "num_classes": 3}),
    "roberta_classifier": Backbone(
        "RobertaTextClassifier", {"backbone": transformer("RobertaBackbone"), "num_classes": 3, "hidden_dim": 6}
    ),
    "bert_masked_words": Backbone("BertMaskedLM", {"backbone": transformer("BertBackbone")}),
    "gpt2_words": Backbone("GPT2CausalLM", {"backbone": transformer("GPT2Backbone")}),
    "llama_words": Backbone("LlamaCausalLM", {"backbone": grouped("LlamaBackbone")}),
    "bart_words": Backbone("BartSeq2SeqLM", {"backbone": transformer("BartBackbone")}),
    "vit_classifier": Backbone("ViTImageClassifier", {"backbone": VIT, "num_classes": 3}),
    "mit_classifier": Backbone("MiTImageClassifier", {"backbone": MIT, "num_classes": 3}, side=32),
    "segformer_segmenter": Backbone("SegFormerImageSegmenter", {"backbone": SEGFORMER, "num_classes": 3}, side=32),
}

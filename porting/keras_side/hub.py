"""keras-hub's tokenizers and preprocessors in front of a model that takes what they make.

The model's inputs become calls, under their names: the texts are tokenized, and the tokens packed, once for each input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Mismatch, Problem, Unsupported
from ..network import Call, Input, TensorRef
from ..text import LAYERS, TOKENIZERS
from ..text.byte_pairs import byte_letters
from .graph import CallGraph, Step
from .hub_texts import HubTexts

if TYPE_CHECKING:
    from .hub_layers import Packer, Tokenizer

FEED_IDS = "feed ids: porting.save(…, preprocessing=False), and give predict what the preprocessor makes"
# What a tokenizer of its own kind overrides.
TOKENIZES = ("_bpe_merge_and_update_cache_tf", "_tokenize_tf", "_tokenize_tokenizers", "call", "tokenize")


def is_of(thing: Any, kind: str) -> bool:
    """Whether something is of a class of keras-hub, or of one derived from it."""
    return any(one.__name__ == kind and one.__module__.startswith("keras_hub.") for one in type(thing).__mro__)


def find_texts(model: Any, preprocessing: Any, segments: int) -> HubTexts | None:
    """What shall make a model's inputs of texts; None where it takes them as they are.

    Args:
        model: a Keras model.
        preprocessing: a preprocessor or tokenizer of keras-hub; None: that of a task model of keras-hub; False: none.
        segments: how many texts a sample has.

    Raises:
        Unsupported: for what is not done exactly.
    """
    given = preprocessing
    if preprocessing is None:
        given = model.preprocessor if is_of(model, "Task") else None
        if given is not None and not is_of(given.tokenizer, "Tokenizer"):
            return None
    if given is None or given is False:
        if segments != 1:
            raise Mismatch("segments", f"is {segments}, and no preprocessor packs them", "leave it out")
        return None
    where = f"preprocessing {type(given).__name__}"
    if not is_of(given, "Tokenizer") and not is_of(given, "Preprocessor"):
        raise Mismatch(where, "is no tokenizer or preprocessor of keras-hub", "give one, or False")
    found = HubTexts(given, given if is_of(given, "Tokenizer") else given.tokenizer, preprocessing is None, segments)
    _check_preprocessor(found, where)
    _check_tokenizer(found.tokenizer, where)
    return found


def _check_preprocessor(texts: HubTexts, where: str) -> None:
    preprocessor = texts.preprocessing
    problems = []
    if texts.packs:
        classifies, continues = (is_of(preprocessor, f"{kind}Preprocessor") for kind in ("TextClassifier", "CausalLM"))
        if not classifies and not continues:
            problems.append(Problem(where, "is neither of a text classifier nor of a causal language model", FEED_IDS))
        if preprocessor.image_converter is not None or preprocessor.audio_converter is not None:
            problems.append(Problem(where, "takes pictures or sound beside texts", FEED_IDS))
        if texts.segments != 1 and not classifies:
            problems.append(Problem(where, f"packs one text, segments={texts.segments}", "leave segments out"))
    elif texts.segments != 1:
        problems.append(Problem(where, "packs no segments", "give its preprocessor"))
    elif not texts.tokenizer.sequence_length:
        problems.append(Problem(where, "makes rows of unequal lengths", "give it a sequence_length"))
    Unsupported.raise_for(problems)


def _check_tokenizer(tokenizer: Any, where: str) -> None:
    kind = type(tokenizer)
    if is_of(tokenizer, "SentencePieceTokenizer"):
        raise Unsupported(where, f"{kind.__name__} is a SentencePiece tokenizer, which is not done", FEED_IDS)
    base = next((one for one in TOKENIZERS if is_of(tokenizer, one)), None)
    if base is None:
        raise Unsupported(where, f"{kind.__name__} is neither WordPiece nor byte-level BPE", FEED_IDS)
    derived = [one for one in kind.__mro__ if any(other.__name__ == base for other in one.__mro__[1:])]
    own = sorted({name for one in derived for name in TOKENIZES if name in vars(one)})
    if own:
        raise Unsupported(where, f"{kind.__name__} has {', '.join(own)} of its own", FEED_IDS)
    if not str(tokenizer.compute_dtype).startswith("int"):
        raise Unsupported(where, f"{kind.__name__} gives strings", "make it with dtype='int32'")
    if tokenizer.vocabulary is None:
        raise Unsupported(where, f"{kind.__name__} has no vocabulary", "make it with one")


def put_in_front(graph: CallGraph, texts: HubTexts) -> None:
    """Make the graph's inputs of texts. What does not fit them is one of the graph's problems."""
    from .hub_layers import packer_for, tokenizer_for

    wanted = graph.inputs
    tokenizer = tokenizer_for(texts, _free(graph, "tokenizer"))
    packer = packer_for(texts, _free(graph, "packer")) if texts.packs else None
    _check_inputs(graph, texts, packer)
    _check_bytes(graph, texts, tokenizer)
    _check_settings(graph, [tokenizer] if packer is None else [tokenizer, packer])
    names = ["text"] if texts.segments == 1 else [f"text_{at + 1}" for at in range(texts.segments)]
    graph.inputs = tuple(Input(_free(graph, name), (None,), "string") for name in names)
    steps = _packed(graph, tokenizer, packer, wanted) if packer else [_step(wanted[0].name, tokenizer, graph.inputs[0])]
    graph.steps = [*steps, *graph.steps]
    graph.layers = {**{step.call.layer: step.operation for step in steps}, **graph.layers}
    graph.prepare = tokenizer.preparation(texts, wanted)


def _check_settings(graph: CallGraph, layers: Sequence[Tokenizer | Packer]) -> None:
    """What loading would refuse is refused here."""
    for layer in layers:
        try:
            LAYERS[type(layer).__name__](layer.settings(), layer.tables())
        except Unsupported as error:
            graph.problems.extend(error.problems)


def _check_bytes(graph: CallGraph, texts: HubTexts, tokenizer: Tokenizer) -> None:
    """TensorFlow makes -1 of a byte without a token, which is no row of a table."""
    if tokenizer.settings().get("splits") != "tensorflow":
        return
    absent = [byte for byte, letter in byte_letters().items() if letter not in texts.tokenizer.vocabulary]
    if absent:
        where = f"preprocessing {type(texts.preprocessing).__name__}"
        what = f"the vocabulary has no token for {len(absent)} of 256 bytes, such as {absent[0]}"
        graph.problems.append(Problem(where, what, f"add them, or {FEED_IDS}"))


def _check_inputs(graph: CallGraph, texts: HubTexts, packer: Packer | None) -> None:
    where = f"preprocessing {type(texts.preprocessing).__name__}"
    names = [given.name for given in graph.inputs]
    if packer is None and len(names) > 1:
        what = f"a tokenizer makes one input, the model has {', '.join(names)}"
        graph.problems.append(Problem(where, what, "give the preprocessor, whose outputs have their names"))
    unknown = [] if packer is None else [name for name in names if name not in packer.makes]
    if packer is not None and unknown:
        what = f"makes {', '.join(packer.makes)}, and not the model's input {', '.join(unknown)}"
        graph.problems.append(Problem(where, what, "name the model's inputs as the preprocessor names its outputs"))


def _packed(graph: CallGraph, tokenizer: Tokenizer, packer: Packer, wanted: tuple[Input, ...]) -> list[Step]:
    """Each text tokenized, and what the packer makes of the tokens for each input."""
    steps = []
    for at, given in enumerate(graph.inputs):
        steps.append(_step(tokenizer.name if at == 0 else f"{tokenizer.name}@{at + 1}", tokenizer, given))
    tokens = tuple(TensorRef(step.call.name) for step in steps)
    for one in wanted:
        told = {"returns": one.name, **({} if one.dtype == "int32" else {"dtype": one.dtype})}
        call = Call(one.name, packer.name, (tokens,), told)
        steps.append(Step(call, packer, (tokens,), told))
    return steps


def _step(name: str, tokenizer: Tokenizer, given: Input) -> Step:
    return Step(Call(name, tokenizer.name, (given.ref,)), tokenizer, (given.ref,), {})


def _free(graph: CallGraph, name: str) -> str:
    taken = {*graph.layers, *graph.holders, *(one.name for one in graph.inputs), *(s.call.name for s in graph.steps)}
    while name in taken:
        name = f"{name}_"
    return name

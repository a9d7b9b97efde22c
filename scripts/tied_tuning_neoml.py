"""Tied embeddings, fine-tuned in NeoML: the language model learns the descriptions of games, and keeps its one table.

    python scripts/tied_tuning_neoml.py [FOLDER [OUT]]

The network is the one of scripts/tied_keras.py. The table gets gradients as word vectors and as the softmax layer;
after training both still use the same numbers, in the net, in its stored archive and back in Keras. Writes the tuned
network to OUT, for scripts/tied_tuning_back.py to take to Keras.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tied_tuning_data import FOLDER, OUT, held_out_games, next_words, scored, training_games

import porting
from porting import optimizers


def tables_of(net: porting.PortedNetwork, words: int) -> list[str]:
    """The weights with a row or a column for each word."""
    return [name for name, array in net.weights().items() if words in array.shape and array.ndim == 2]


def main(folder: Path, out: Path) -> int:
    net = porting.load(folder, engine="neoml")
    print(net.check().headline())
    ids = training_games()
    held_out = held_out_games()
    before = scored(net.predict(held_out[:, :-1]), held_out)
    x, y, counts = next_words(ids)
    history = net.fit(
        x,
        y,
        sample_weight=counts,
        optimizer=optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        epochs=8,
        batch_size=32,
        verbose=0,
    )
    probabilities = net.predict(held_out[:, :-1])
    after = scored(probabilities, held_out)
    print(f"{len(ids)} descriptions of games to train on, {len(held_out)} held out")
    print(f"next words right: {before[0]:.1%} before, {after[0]:.1%} after")
    print(f"perplexity: {before[1]:.0f} before, {after[1]:.0f} after")
    out.mkdir(parents=True, exist_ok=True)
    net.save(out / "tied_tuning", overwrite=True)
    np.savez(out / "tied_tuning.npz", probabilities=probabilities)
    stored = porting.load(net.store(out / "tied_tuning.net", overwrite=True))
    same = bool((stored.predict(held_out[:8, :-1]) == probabilities[:8]).all())
    tables = tables_of(net, net.network.layers["words"].config["input_dim"])
    moved = history.moved[tables[0]]
    print(f"tables after training: {', '.join(tables)}, moved by up to {moved:.2g}")
    print(f"the stored net predicts the same: {same}")
    print(f"tuned network in {out / 'tied_tuning'}; python scripts/tied_tuning_back.py takes it to Keras")
    return 0 if after[0] > before[0] and len(tables) == 1 and moved and same else 1


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [FOLDER, OUT][len(given) :])))

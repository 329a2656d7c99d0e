"""The model that places texts by what they mean: static word vectors, in the package's own wheel.

WordLlama (`l2_supercat`, 256 numbers, MIT licence) averages the vectors of a text's tokens. It runs
offline on the processor; loading takes about half a second with its imports, so it is loaded when
something is first embedded and not before.
"""

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import wordllama

MODEL = "wordllama/l2_supercat_256"
DIMENSION = 256
STORED = np.dtype("<f2")

Vectors = npt.NDArray[np.float32]

_loading = threading.Lock()


@lru_cache(maxsize=1)
def _model() -> Any:
    # A question is a few words: the tokenizer's own threads would wait longer than they work.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Weights and tokenizer are in the package: nothing may be fetched.
    home = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(disable_download=True, cache_dir=home)


def embed(texts: Sequence[str]) -> Vectors:
    """One row of length one for each text; a text without a known word is a row of zeros."""
    if not texts:
        return np.zeros((0, DIMENSION), dtype=np.float32)
    with _loading:
        model = _model()
    found: Vectors = model.embed(list(texts))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    even: Vectors = (found / lengths).astype(np.float32)
    return even


def packed(vector: Vectors) -> bytes:
    """As it is stored: half precision, little-endian. The rounding is below 0.001 of a cosine."""
    return vector.astype(STORED).tobytes()


def unpacked(stored: Sequence[bytes]) -> Vectors:
    """Rows of stored vectors."""
    joined = np.frombuffer(b"".join(stored), dtype=STORED)
    return joined.astype(np.float32).reshape(len(stored), DIMENSION)

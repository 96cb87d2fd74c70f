"""What a person may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` closest to `word`, as the end of a sentence; empty if none is close.

    A word without a dot is also compared with the last part of the known ones.
    """
    from difflib import SequenceMatcher

    def likeness(candidate: str) -> float:
        names = (candidate, candidate.rpartition(".")[2])
        return max(SequenceMatcher(None, word, name).ratio() for name in names)

    best = max(sorted(known), key=likeness, default=None)
    return f", did you mean {best}?" if best and likeness(best) >= 0.6 else ""

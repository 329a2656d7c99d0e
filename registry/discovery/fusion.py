"""Rankings become one: reciprocal rank fusion. Pure.

Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
learning methods", SIGIR 2009. It needs ranks alone, so that scores of different kinds may meet.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

K = 60


def fused(rankings: Iterable[Sequence[int]], *, weights: Sequence[float] = ()) -> dict[int, float]:
    """The score of each id, best first: the sum over the rankings of weight / (60 + rank)."""
    scores: dict[int, float] = defaultdict(float)
    for place, ranking in enumerate(rankings):
        weight = weights[place] if weights else 1.0
        for rank, each in enumerate(ranking, start=1):
            scores[each] += weight / (K + rank)
    # The id breaks ties, so that two processes agree on the order.
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))

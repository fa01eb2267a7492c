"""HTML pages: the main text without what is hidden or comes with every page."""

from __future__ import annotations

import pytest

pytest.importorskip("selectolax")

from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.parse import html
from edgellm.retrieval.parse.build import Builder
from tests.unit.retrieval.parse.reading import blocks


def read(text: str) -> Builder:
    builder = Builder("html")
    html.read(text, builder)
    return builder


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<h1>One<a href=#x>¶</a></h1><p>Two <b>bold</b>\nwords", ["heading1: One", "text: Two bold words"]),
        ("<p>One<br>two</p>", ["text: One\ntwo"]),
        ("<ul><li>a<li><p>b</p></ul>c", ["text: - a", "text: - b", "text: c"]),
        ("<pre>x\n  <b>y</b></pre>", ["code: x\n  y"]),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", ["table: a | b\n1 | 2"]),
        ("<table><tr><td><p>one</p></td></tr></table>two", ["text: one", "text: two"]),
        ("<nav>menu</nav><main><p>main</p></main><footer>end</footer>", ["text: main"]),
        ("<form><input value=x><p>main</p><button>Send</button></form>", ["text: main"]),
        ("<script>x</script><style>y</style><template>z</template><p>w", ["text: w"]),
        ("<div hidden>a</div><p style='Display : NONE'>b</p><i aria-hidden=true>c</i>d", ["text: d"]),
        ("<p>before<div>within</div>after", ["text: before", "text: within", "text: after"]),
        ("&lt;b&gt; &amp; &#9731;", ["text: <b> & ☃"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_page_is_read(page: str, expected: list[str]) -> None:
    assert blocks(read(page)) == expected


def test_the_title_is_the_pages() -> None:
    assert read("<title>A  page</title><p>x").document().title == "A page"


@given(st.text(alphabet="<>/abdhlpretux1= \n", max_size=200))
def test_any_text_is_a_page(text: str) -> None:
    read(text).document()

"""HTML from values: what is escaped, and how."""

from __future__ import annotations

import html
import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from src.report.markup import Column, Markup, data_block, element, table, text


class Elements(HTMLParser):
    """The names of a text's elements, their attributes, and what stands between them."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.names = []
        self.attributes = []
        self.between = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes.append(dict(attributes))

    def handle_data(self, data):
        self.between += data


# Carriage returns aside, which HTML turns into line feeds, and what text() leaves out.
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")))


@given(TEXTS)
def test_a_text_comes_back_and_makes_no_element(value):
    page = Elements(element("p", value, title=value))
    assert page.names == ["p"]
    assert page.attributes == [{"title": value}]
    assert page.between == value


def test_control_characters_and_halves_of_letters():
    assert text("a\x00b\x1bc\td\ud800") == "abc\td?"


def test_markup_is_left_as_it_is():
    assert element("b", Markup("<i>1</i>"), "<i>") == "<b><i>1</i>&lt;i&gt;</b>"


def test_no_text_of_a_data_block_ends_it():
    value = {"names": ["</script><script>alert(1)</script>", "<!--", "é猫"]}
    block = str(data_block("lists", value))
    content = block[block.index(">") + 1 : block.rindex("</script>")]
    assert "<" not in content
    assert json.loads(content) == value


def test_a_table_keeps_numbers_for_sorting_and_says_what_is_missing():
    page = str(
        table([Column("name", False), Column("AP")], [("<b>", 0.12345), ("c", None), ("d", -1.0)], "AP")
    )
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert 'data-key="0.12345">0.123<' in page
    assert page.count('data-key="">–<') == 1
    assert 'data-key="-1.0">-1.000<' in page  # a difference: of a class that is not found any more
    assert html.unescape(page).count("<td") == 3

"""Reading XML files that are not trusted."""

import pytest

from src.data.findings import Findings
from src.data.forms.xml_files import read_xml, xml_elements

BOMB = (
    '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;"><!ENTITY z "&y;&y;&y;&y;&y;&y;">]>'
    "<a>&z;</a>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


def read(tmp_path, data):
    """(the outermost element, the details of the findings)."""
    path = tmp_path / "a.xml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    findings = Findings("", collect=True)
    element = read_xml(path, "a.xml", findings)
    assert set(findings.counts) <= {"label_file_syntax"}
    return element, [one.detail for one in findings.listed.get("label_file_syntax", [])]


def test_elements_text_and_lines(tmp_path):
    element, details = read(tmp_path, '<a>\n <b x="1">one</b> two <b/>\n <c><d>é</d></c>\n</a>')
    assert not details
    assert [(one.tag, one.line, one.text) for one in element.iter()] == [
        ("a", 1, "\n "),
        ("b", 2, "one"),
        ("b", 2, None),
        ("c", 3, None),
        ("d", 3, "é"),
    ]
    assert element.find("b").get("x") == "1"
    assert element.find("b").tail == " two "
    assert element.findtext("c/d") == "é"


def test_elements_of_a_tag_come_one_by_one(tmp_path):
    path = tmp_path / "a.xml"
    items = "".join(f'<item n="{i}"><item>{"x" * 1000}</item></item>\n' for i in range(3000))
    path.write_text(f"<all><meta><name>m</name></meta>{items}</all>")
    findings = Findings("")
    found = list(xml_elements(path, "a.xml", ("item", "meta"), findings))
    assert [one.tag for one in found] == ["meta", *["item"] * 3000]
    assert found[0].findtext("name") == "m"
    assert [one.get("n") for one in found[1:]] == [str(i) for i in range(3000)]
    assert found[-1].line == 3000
    assert all(len(one[0].text) == 1000 for one in found[1:])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path, encoding):
    element, details = read(tmp_path, "<a>été</a>".encode(encoding))
    assert element.text == "été"
    assert not details


def test_an_encoding_that_the_file_names(tmp_path):
    element, _ = read(tmp_path, '<?xml version="1.0" encoding="ISO-8859-1"?><a>été</a>'.encode("latin-1"))
    assert element.text == "été"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "no element found at line 1 column 0 (it is cut off, or empty)"),
        ("<a>\n<b>", "no element found at line 2 column 3 (it is cut off, or empty)"),
        ('<a>\n<b x="1', "unclosed token at line 2 column 0 (it is cut off, or empty)"),
        ("<a></b>", "mismatched tag at line 1"),
        ("<a>&x;</a>", "undefined entity at line 1"),
        (b"<a>\xff</a>", "not well-formed (invalid token) at line 1"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "line 1"),
        (BOMB, "declares the entity 'x'"),
        (OUTSIDE, "declares the entity 'x'"),
        ("<a>" * 200 + "</a>" * 200, "elements within each other 100 deep"),
        ("{}", "not well-formed"),
        (b"\0" * 50, "not well-formed"),
    ],
)
def test_bad_files_are_one_line(tmp_path, data, expected):
    element, details = read(tmp_path, data)
    assert element is None
    assert len(details) == 1
    assert expected in details[0]
    assert "\n" not in details[0]

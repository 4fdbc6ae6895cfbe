"""docs/configuration.md is what the keys say."""

from __future__ import annotations

from src.config import KEYS
from src.settings.documentation import configuration_page
from tests.conftest import ROOT


def test_the_page_is_made_from_the_keys():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration_page(), "python -m src.settings.documentation > docs/configuration.md"


def test_the_page_names_every_key_once():
    page = configuration_page()
    for key in KEYS:
        assert page.count(f"\n| `{key.name}` |") == 1, key.name

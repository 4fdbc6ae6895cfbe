"""What the tests of the settings share."""

from __future__ import annotations

import pytest

from src.config import load_config
from src.errors import ConfigError


def failure(*words, config_file=None):
    with pytest.raises(ConfigError) as caught:
        load_config(words, config_file)
    assert "\n" not in str(caught.value)
    return str(caught.value)

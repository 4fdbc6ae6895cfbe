"""Every configuration key, in groups; docs/configuration.md has a table a group."""

from __future__ import annotations

from . import data, evaluation, heads, inference, network, pictures, sampling, schedule, training

GROUPS = (pictures, network, sampling, heads, inference, evaluation, schedule, training, data)
KEYS = tuple(key for group in GROUPS for key in group.KEYS)

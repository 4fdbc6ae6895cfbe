"""Checks that the ranks of a job were started with the same settings and data."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ...errors import ConfigError
from .rank_group import RankGroup


def check_settings(settings: Mapping[str, Any], data: Any, group: RankGroup) -> None:
    """Compare this rank's settings and data with those of the other ranks.

    Args:
        settings: The keys, with their values, that all ranks must have alike.
        data: The fingerprint of its data (`resume.data_fingerprint`), JSON-able.
        group: The ranks.

    Raises:
        ConfigError: On every rank, where they differ.
    """

    def compare(values):
        first_settings, first_data = values[0]
        for rank, (rank_settings, rank_data) in enumerate(values):
            different = [name for name in rank_settings if rank_settings[name] != first_settings[name]]
            if different:
                name = different[0]
                raise ConfigError(
                    f"rank {rank} was started with {name}={rank_settings[name]}, "
                    f"rank 0 with {name}={first_settings[name]}: all of them take the same words and files"
                )
            if rank_data != first_data:
                raise ConfigError(
                    f"rank {rank} has other data than rank 0 ({rank_data} and {first_data}): "
                    "every host needs the same files"
                )

    # As JSON, because rank 0 gets the others' values as JSON: tuples are lists there.
    own_settings = {name: json.loads(json.dumps(value)) for name, value in settings.items()}
    group.barrier([own_settings, data], compare)

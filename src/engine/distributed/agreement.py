"""That the ranks of a job were started with the same settings and data."""

from __future__ import annotations

import json

from ...errors import ConfigError

# Where a host's files lie, and how a host reads them, may differ.
_OF_A_HOST = {
    "coco_root",
    "mindrecord_dir",
    "IMAGE_DIR",
    "ANNO_PATH",
    "pre_trained",
    "resume",
    "num_parallel_workers",
}


def check_settings(config, data, team):
    """ConfigError, on every rank, where ranks were started with other settings, or have other data (`resume.data_of`)."""

    def compare(values):
        for rank, (settings, other) in enumerate(values):
            different = [name for name in settings if settings[name] != values[0][0][name]]
            if different:
                name = different[0]
                raise ConfigError(
                    f"rank {rank} was started with {name}={settings[name]}, rank 0 with {name}={values[0][0][name]}: "
                    "all of them take the same words and files"
                )
            if other != values[0][1]:
                raise ConfigError(
                    f"rank {rank} has other data than rank 0 ({other} and {values[0][1]}): every host needs the same files"
                )

    team.meet(
        [{name: json.loads(json.dumps(config[name])) for name in config if name not in _OF_A_HOST}, data],
        compare,
    )

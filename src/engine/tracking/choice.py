"""The trackers that the key `tracker` names, and the packages that they need."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ...errors import ConfigError
from .mlflow_tracker import MlflowTracker
from .tracker import Tracker
from .wandb_tracker import WandbTracker

_PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}  # {module: what pip installs}
PLACES = {"mlflow": "MLFLOW_TRACKING_URI", "wandb": "WANDB_DIR"}  # variables that name another store
_TRACKERS = {"mlflow": MlflowTracker, "wandb": WandbTracker}


def check_tracker(name: str) -> None:
    """Look for a tracker's package without loading it.

    Raises:
        ConfigError: It is not installed.
    """
    if name == "none":
        return
    spec = importlib.util.find_spec(name)
    # A folder of the same name, such as the one that wandb writes, is found too; it has no file.
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"tracker={name}: the package {_PACKAGES[name]} is not installed; pip install {_PACKAGES[name]} "
            "'numpy<2', or leave tracker out"
        )


def make_tracker(name: str) -> Tracker:
    return _TRACKERS[name]()


def default_store(name: str) -> str:
    """Where a new run is kept: where the tracker's own variable says, else in the current folder."""
    if name == "mlflow":
        return os.environ.get(PLACES[name]) or Path("mlruns").absolute().as_uri()
    return str(Path(os.environ.get(PLACES[name]) or ".").absolute())

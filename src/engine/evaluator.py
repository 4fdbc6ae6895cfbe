"""The evaluation job: a checkpoint or an exported file on a split of the data."""

from __future__ import annotations

from ..dataset import read_source, resolve_classes
from .inference.evaluation import evaluate_network
from .inference.predictor import compile_inference, network_from, open_checkpoint
from .runtime.device import start_device


def evaluate(config, work_dir):
    """Evaluate `checkpoint_path` on the evaluation split (or `ann_file`); returns {"bbox": {...}, "segm": {...}} (segm where there are masks).

    Writes metrics.json and results_{bbox,segm}.json into `work_dir`; without annotations (a test set) only the result files. Under msrun
    the processes share the pictures; the figures are those of one process.
    """
    config, entries = open_checkpoint(config)
    device = start_device(config)
    with device.group as group:
        source = read_source(config, "val")
        config = resolve_classes(config, source)
        network = network_from(config, entries, device.target)
        group.report("while it compiled", idle_limit=None)
        compile_inference(network, config, device, config.test_batch_size)
        return evaluate_network(network, config, source, work_dir, group)

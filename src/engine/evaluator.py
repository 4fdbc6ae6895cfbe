"""The evaluation job: a checkpoint, an exported file or a results file on a split of the data."""

from __future__ import annotations

from typing import Any, Dict

from ..config import Config
from ..data.annotations.mending.class_names import COMMON
from ..data.sources.read import read_annotations
from ..data_settings import annotation_settings, data_check_settings
from ..dataset import resolve_classes
from ..errors import ConfigError
from ..interpreter import modules_problem
from ..onnx_graph.runtime import is_onnx
from .distributed.rank_group import RankGroup, is_alone
from .inference.evaluation import evaluate_network, evaluation_settings
from .inference.evaluation_data import checked_evaluation_data
from .inference.opening import open_exported, require_mindspore
from .output_folder import prepare_output_folder
from .results_evaluator import evaluate_results


def evaluate(config: Config, work_dir) -> Dict[str, Any]:
    """Evaluate `checkpoint_path`, or the file `results`, on the evaluation split (or `ann_file`).

    Under msrun the processes share the pictures; the figures are those of one process.

    Args:
        config: The settings.
        work_dir: The folder for metrics.json and results_{bbox,segm}.json. Without annotations (a test set)
            there is no metrics.json.

    Returns:
        {"bbox": {...}, "segm": {...}}; "segm" where there are masks.
    """
    problem = modules_problem(("matplotlib",)) if config.report else None
    if problem is not None:
        raise ConfigError(f"report=True needs matplotlib, and {problem}")
    if config.results is not None:
        of_file = annotation_settings(config, "val")
        annotations = of_file.path if of_file.format == "coco" else read_annotations(of_file)
        settings = evaluation_settings(config)
        return evaluate_results(
            config.results,
            annotations,
            work_dir,
            settings.figures,
            settings.with_details,
            settings.report,
            only_common=of_file.class_use == COMMON,
            picture_folder=of_file.folder,
        )
    if is_onnx(config.checkpoint_path) and is_alone():
        network, config = open_exported(config)
        prepare_output_folder(work_dir, "--work-dir")
        group = RankGroup()
        source = checked_evaluation_data(data_check_settings(config, "val"), group)
        config = resolve_classes(config, source)
        return evaluate_network(network, evaluation_settings(config), source, work_dir, group)
    return _evaluate_in_mindspore(config, work_dir)


def _evaluate_in_mindspore(config: Config, work_dir) -> Dict[str, Any]:
    """`evaluate` where MindSpore runs the network, or joins the processes that share the pictures."""
    require_mindspore(config)
    from .inference.loading import compile_inference, inference_network, open_checkpoint
    from .runtime.device import start_device

    config, weights = open_checkpoint(config)
    prepare_output_folder(work_dir, "--work-dir")
    device = start_device(config.device_target, config.jit_level)
    with device.group as group:
        source = checked_evaluation_data(data_check_settings(config, "val"), group)
        config = resolve_classes(config, source)
        network = inference_network(config, weights, device.target)
        group.report("while it compiled", idle_limit=None)
        compile_inference(network, config, device, config.test_batch_size)
        return evaluate_network(network, evaluation_settings(config), source, work_dir, group)

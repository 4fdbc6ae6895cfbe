"""How many faults of labels repair.py finds, and what repairing them wins back. Prints a JSON object.

    python -m benchmarks.labels.repair nuclei
    python -m benchmarks.labels.repair nuclei --retrain
    python -m benchmarks.labels.repair shapes --data demo/data --checkpoint demo/checkpoint/FILE.ckpt

Run it from the project's folder. In both splits of a data set, 10% of the objects are deleted and 5% moved or
given another class (benchmarks.labels.faults). A network is trained on the faulty training split by the
data set's recipe, or read from --checkpoint, and gives predictions of each split. For each split:

recall: the share of the faults among the first N, 2 N and 3 N suspects, where N is the number of faults;
    and the same for the lists of eval_details.json, taken in turns.
looked_at, accepted: a person who knows the original labels goes through the first 2 N suspects and accepts
    those that put a fault right.
ap: segm AP of the same predictions against the faulty, the repaired and the original annotations. Masks that
    were added are predictions themselves, which favours the repaired ones: `restored_iou` is their mean IoU
    with the original masks, and in `repaired_as_original` these stand in their place.
won_back: how much of the difference of original and faulty `repaired_as_original` has.

--retrain trains a network on the faulty, the repaired and the original training split, and gives the AP of
each on the original evaluation split. nuclei is looked for in $MASKRCNN_SHARED/data, or in --data FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Set, Tuple

from benchmarks.labels.faults import Fault, put_faults
from benchmarks.labels.judge import Judge, as_original, listed_before, restored_iou
from benchmarks.timing import ROOT
from src.config import load_config
from src.engine.entry import run_main
from src.engine.evaluator import evaluate
from src.engine.inference.evaluation import evaluation_settings
from src.errors import UserError
from src.evaluation.coco_metrics import evaluate_inputs
from src.evaluation.inputs import read_inputs
from src.repair.command import open_session
from src.repair.decision_log import ACCEPT, REJECT


class Recipe(NamedTuple):
    """A data set and how it is trained.

    Attributes:
        config: the file of its settings.
        splits: the names of the training and the evaluation split.
    """

    config: Path
    splits: Tuple[str, str]


RECIPES = {
    "nuclei": Recipe(ROOT / "configs" / "nuclei.yaml", ("train2018", "val2018")),
    "shapes": Recipe(ROOT / "configs" / "demo.yaml", ("train2017", "val2017")),
}


def make_faulty(data: Path, folder: Path, splits: Tuple[str, str], seed: int) -> Dict[str, List[Fault]]:
    """Write a data set with faults into a folder, whose pictures are links; returns {split: its faults}."""
    faults = {}
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for split in splits:
        content = json.loads(_annotations(data, split).read_text())
        faulty, faults[split] = put_faults(content, seed)
        _annotations(folder, split).write_text(json.dumps(faulty))
        if not (folder / split).exists():
            (folder / split).symlink_to((data / split).resolve())
    return faults


def _annotations(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"instances_{split}.json"


def recalls(hits: List[Set[int]], count: int) -> Dict[str, float]:
    """The share of `count` faults that the first count, 2 count and 3 count entries point at."""
    return {f"{k}N": round(len(set().union(*hits[: k * count])) / count, 3) for k in (1, 2, 3)}


def study(run: Path, data: Path, faulty: Path, split: str, faults: List[Fault], words: List[str]) -> dict:
    """Repair the faulty annotations of a split by the predictions in a folder; returns its figures."""
    out = faulty / "annotations" / f"repaired_{split}.json"
    for path in (out, out.with_name(out.name + ".log.jsonl")):
        path.unlink(missing_ok=True)
    session = open_session(load_config(words), str(run), str(out))
    judge = Judge(session, faults)
    with contextlib.closing(session):
        hits = [judge.found(suspect) for suspect in session.suspects.values()]
        first = dict(list(session.suspects.items())[: 2 * len(faults)])
        restored: Set[int] = set()
        accepted: Dict[str, int] = {}
        shapes = []
        for key, suspect in first.items():
            is_right = judge.is_right(suspect, restored)
            session.decide(key, ACCEPT if is_right else REJECT, 0)
            if is_right:
                accepted[suspect.kind] = accepted.get(suspect.kind, 0) + 1
                if suspect.kind in ("missing", "poor"):
                    shapes.append(restored_iou(session, judge, suspect, faults))
        before = list(listed_before(session, judge))
        exact = out.with_name(f"exact_{split}.json")
        exact.write_text(json.dumps(as_original(_annotations(faulty, split), session, faults, restored)))
    results = str(run / "results_segm.json")
    files = {
        "faulty": _annotations(faulty, split),
        "repaired": out,
        "repaired_as_original": exact,
        "original": _annotations(data, split),
    }
    figures = evaluation_settings(load_config(words)).figures
    ap = {
        name: round(float(evaluate_inputs(read_inputs(str(path), results, "segm"), figures)["AP"]), 4)
        for name, path in files.items()
    }
    lost = ap["original"] - ap["faulty"]
    kinds = sorted({fault.kind for fault in faults})
    within = set().union(*hits[: 2 * len(faults)])
    return {
        "faults": {kind: sum(fault.kind == kind for fault in faults) for kind in kinds},
        "found_in_2N": {kind: sum(faults[place].kind == kind for place in within) for kind in kinds},
        "suspects": len(hits),
        "recall": recalls(hits, len(faults)),
        "recall_of_eval_details": recalls(before, len(faults)),
        "looked_at": len(first),
        "accepted": accepted,
        "restored_iou": round(sum(shapes) / max(len(shapes), 1), 3),
        "ap": ap,
        "won_back": round((ap["repaired_as_original"] - ap["faulty"]) / lost, 3) if lost > 0 else None,
    }


def train_on(recipe: Recipe, data: Path, work: Path, words: List[str], **keys: Any) -> Path:
    """The checkpoint of a training by the recipe on a data set."""
    from src.engine.trainer import train

    more = [f"{name}={value}" for name, value in keys.items()]
    words = [f"coco_root={data}", f"mindrecord_dir={work / 'mindrecord'}", *words, *more]
    return Path(train(load_config(words, recipe.config), work))


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.labels.repair",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=RECIPES)
    parser.add_argument("--seed", type=int, default=1, help="of the faults and the training")
    parser.add_argument("--data", type=Path, help="the data set's folder")
    parser.add_argument("--checkpoint", help="a trained network, instead of training one")
    parser.add_argument("--results", type=Path, help="folder with eval_SPLIT of an earlier run of --work")
    parser.add_argument("--splits", nargs="+", help="default: both")
    parser.add_argument("--retrain", action="store_true", help="train on each version of the labels")
    parser.add_argument("--work", help="work folder to keep; a temporary one otherwise")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    recipe = RECIPES[args.what]
    data = args.data or Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared") / "data" / args.what
    if not data.is_dir():
        raise UserError(f"{data}: no such folder; --data FOLDER names that of the data set")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        figures = _run(args, recipe, data, Path(args.work or folder))
    print(json.dumps({"what": args.what, "seed": args.seed, **figures}))


def _run(args: argparse.Namespace, recipe: Recipe, data: Path, work: Path) -> Dict[str, Any]:
    faulty = work / "faulty"
    faults = make_faulty(data, faulty, recipe.splits, args.seed)
    words = [f"seed={args.seed}", *args.words]
    checkpoint = args.checkpoint
    if checkpoint is None and args.results is None:
        checkpoint = train_on(recipe, faulty, work / "train_faulty", words)
    figures: Dict[str, Any] = {}
    for split in args.splits or recipe.splits:
        run = (args.results or work) / f"eval_{split}"
        if args.results is None:
            more = [f"coco_root={faulty}", f"val_data_type={split}", f"checkpoint_path={checkpoint}"]
            evaluate(load_config([*more, *words], recipe.config), run)
        figures[split] = study(run, data, faulty, split, faults[split], _data_words(faulty, split))
    if args.retrain:
        figures["retrained"] = _retrained(recipe, data, faulty, work, words)
    return figures


def _data_words(folder: Path, split: str) -> List[str]:
    return [f"coco_root={folder}", f"val_data_type={split}"]


def _retrained(recipe: Recipe, data: Path, faulty: Path, work: Path, words: List[str]) -> dict:
    """segm AP on the original evaluation split, of networks trained on each version of the labels."""
    figures = {}
    train_split, val_split = recipe.splits
    for name, folder, file in (
        ("faulty", faulty, f"instances_{train_split}.json"),
        ("repaired", faulty, f"repaired_{train_split}.json"),
        ("original", data, f"instances_{train_split}.json"),
    ):
        own = [*words, f"instance_set=annotations/{file}"]
        checkpoint = train_on(recipe, folder, work / f"retrained_{name}", own)
        more = [f"coco_root={data}", f"val_data_type={val_split}", f"checkpoint_path={checkpoint}"]
        metrics = evaluate(load_config([*more, *words], recipe.config), work / f"retrained_{name}" / "eval")
        figures[name] = round(metrics["segm"]["AP"], 4)
    return figures


if __name__ == "__main__":
    run_main(main)

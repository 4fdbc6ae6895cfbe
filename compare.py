"""Is the second run better than the first? Differences with intervals, and one page: comparison.html.

python compare.py runs/first runs/second ann_file=/data/coco/annotations/instances_val2017.json
python compare.py first/eval second/eval coco_root=/data/cats val_data_type=val --work-dir compared

The folders are those of two evaluations, or of trainings with eval_interval, on the same pictures.
"""

from src.engine.entry import run_main


def main() -> None:
    from src.engine.command import parse

    config, args = parse(__doc__, work_dir="comparison", takes_files=True)
    from src.engine.compare_runs import compare_runs

    compare_runs(config, args.files, args.work_dir)


if __name__ == "__main__":
    run_main(main)

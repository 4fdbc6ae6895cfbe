"""What a network finds in files: pictures and videos, drawn and written in the forms that are asked for."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple, Union

import numpy as np

from ..config import Config
from ..data.annotations.records import Record
from ..data.images.decode import read_picture
from ..data.read_ahead import read_ahead
from ..errors import ConfigError, DataError, one_line
from ..log import logger
from ..predictor import Predictor
from .display.progress import Progress
from .display.visualize import found_beside_annotated, save_png
from .output_folder import prepare_output_folder
from .prediction.inputs import find_inputs, is_video
from .prediction.names import drawing_paths
from .prediction.output import Output, Source
from .prediction.outputs import PredictionSettings, announce, check_labels_free, draw_prediction, open_outputs
from .prediction.video import UnreadableVideo
from .prediction.video_prediction import predict_video

_READ_AHEAD = 2  # pictures


def predict_files(config: Config, words: Sequence[Union[str, Path]], settings: PredictionSettings) -> int:
    """Run `checkpoint_path`'s network on files, and print where the results are.

    A file that cannot be read is named and left out, and a video that breaks off is named.

    Args:
        config: The settings.
        words: Files, folders and patterns.
        settings: What is written, and where.

    Returns:
        The exit code: 0, or 1 where files were left out or broke off.

    Raises:
        ConfigError: No file is named, the threshold is none, nothing can be written to the folder, or labels
            are there that would be replaced.
        DataError: A word names no file.
    """
    if not words:
        raise ConfigError("no picture was named: predict.py checkpoint_path=FILE.ckpt PICTURE ...")
    if not 0 <= settings.threshold <= 1:
        raise ConfigError(f"--threshold {settings.threshold}: a score from 0 to 1 expected")
    if not 0 <= settings.tolerance < math.inf:
        raise ConfigError(f"--tolerance {settings.tolerance}: a number of pixels from 0 expected")
    paths = find_inputs(words, Path(settings.out))
    out = prepare_output_folder(settings.out, "--out")
    drawings = drawing_paths(paths, out)
    sources = [Source(path, drawing.stem, i) for i, (path, drawing) in enumerate(drawings.items(), 1)]
    pictures = [source for source in sources if not is_video(source.path)]
    videos = [source for source in sources if is_video(source.path)]
    if pictures:
        check_labels_free(settings, out, [source.name for source in pictures])
    predictor = Predictor.from_config(config)
    with contextlib.ExitStack() as stack:
        opened = open_outputs(settings, out, predictor.class_names, [source.path for source in pictures])
        outputs = [stack.enter_context(output) for output in opened]
        left_out = 0
        broken_off = 0
        if pictures:
            left_out += _predict_pictures(predictor, pictures, drawings, outputs, settings)
        for source in videos:
            try:
                problem = predict_video(predictor, source, drawings[source.path], outputs, settings)
                if problem is not None:
                    broken_off += 1
                    logger.warning("%s; what is found in these is written", one_line(problem))
            except UnreadableVideo as error:
                left_out += 1
                logger.warning("%s; left out", one_line(error))
    for name, is_written in (
        ("results.json", settings.json and pictures),
        ("detections.csv", settings.csv),
        ("crops", settings.crops and (out / "crops").is_dir()),
        ("labelme", settings.labelme and (out / "labelme").is_dir()),
        ("coco.json", settings.coco and pictures),
        ("cvat.xml", settings.cvat and pictures),
    ):
        if is_written:
            print(one_line(f"wrote {out / name}"), flush=True)
    if left_out:
        logger.warning("%d of %d files could not be read and are left out", left_out, len(sources))
    if broken_off:
        logger.warning("%d of %d files could be read in part only", broken_off, len(sources))
    return int(left_out + broken_off > 0)


def _predict_pictures(
    predictor: Predictor,
    sources: Sequence[Source],
    drawings: Dict[Path, Path],
    outputs: Sequence[Output],
    settings: PredictionSettings,
) -> int:
    """Predict pictures and write the results; returns how many could not be read."""
    left_out = 0
    with Progress(len(sources), "prediction", unit="picture") as progress:
        for source, picture in _read_pictures(sources):
            if isinstance(picture, DataError):
                left_out += 1
                logger.warning("%s; left out", one_line(picture))
            else:
                prediction = predictor(picture).above(settings.threshold)
                for output in outputs:
                    output.add(source, picture, prediction)
                if settings.drawings:
                    drawing = drawings[source.path]
                    save_png(drawing, draw_prediction(picture, prediction))
                    announce(source, drawing, progress)
            progress.update()
    return left_out


def _read_pictures(sources: Sequence[Source]) -> Iterator[Tuple[Source, Union[np.ndarray, DataError]]]:
    """Each source with its picture, or with why it cannot be read. A thread reads ahead."""

    def read(source: Source) -> Union[np.ndarray, DataError]:
        try:
            return read_picture(source.path)
        except DataError as error:
            return error

    with contextlib.closing(read_ahead(read, sources, 1, _READ_AHEAD)) as pictures:
        yield from zip(sources, pictures)


def draw_beside_truth(predictor: Predictor, records: Sequence[Record], out, threshold: float) -> List[Path]:
    """Draw what is found in annotated pictures beside what is annotated; returns the drawings.

    Args:
        predictor: Finds it.
        records: The pictures.
        out: The folder for the drawings; see `drawing_paths` for their names.
        threshold: The lowest score that is drawn.
    """
    drawings = drawing_paths([record.path for record in records], out)
    for record in records:
        picture = read_picture(record.path, (record.height, record.width))
        prediction = predictor(picture)
        drawn = found_beside_annotated(
            picture,
            prediction.as_arrays(),
            record,
            prediction.all_class_names,
            threshold,
            prediction.mask_threshold,
        )
        save_png(drawings[Path(record.path)], drawn)
    return list(drawings.values())

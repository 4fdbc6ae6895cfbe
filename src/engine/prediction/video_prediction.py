"""What is found in a video: the drawn video, and the detections of each frame."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Optional, Sequence

from ...errors import one_line
from ...predictor import Predictor
from ...whole_files import JsonList
from ..display.progress import Progress
from .output import Output, Source
from .outputs import CsvOutput, PredictionSettings, announce, draw_prediction, instance_row
from .video import VideoReader, VideoWriter


def predict_video(
    predictor: Predictor,
    source: Source,
    drawing: Path,
    outputs: Sequence[Output],
    settings: PredictionSettings,
) -> Optional[str]:
    """Predict a video's frames. Writes the drawn video and, with `settings.json`, NAME_frames.json.

    Args:
        predictor: Finds the objects.
        source: The video.
        drawing: The file for the drawn video.
        outputs: The CSV file among them is given the frames too.
        settings: What is written.

    Returns:
        A line that says that the video breaks off, where it does. What was found up to there is written.

    Raises:
        UnreadableVideo: Nothing of it can be read.
        DataError: Something cannot be written.
    """
    frames = VideoReader(source.path)
    tables = [output for output in outputs if isinstance(output, CsvOutput)]
    written = []
    with Progress(frames.count, one_line(source.path.name), unit="frame") as progress:
        with contextlib.ExitStack() as stack:
            drawn = None
            if settings.drawings:
                drawn = stack.enter_context(VideoWriter(drawing, frames.rate))
                written.append(drawing)
            listed = None
            if settings.json:
                path = drawing.with_name(f"{source.name}_frames.json")
                listed = stack.enter_context(JsonList(path))
                written.append(path)
            for number, picture in enumerate(frames):
                prediction = predictor(picture).above(settings.threshold)
                for table in tables:
                    frame = Source(source.path, source.name, source.image_id, number)
                    table.add(frame, picture, prediction)
                if listed is not None:
                    rows = [instance_row(instance, settings.json) for instance in prediction]
                    seconds = round(number / frames.rate, 4)
                    listed.append({"frame": number, "seconds": seconds, "detections": rows})
                if drawn is not None:
                    drawn.write(draw_prediction(picture, prediction))
                progress.update()
        for path in written:
            announce(source, path, progress)
    return frames.broken_off

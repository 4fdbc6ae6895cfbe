"""Videos that are whole, and videos that break off."""

import cv2
import numpy as np
import pytest

from src.engine.prediction.video import VideoReader, VideoWriter

FRAMES = 30
RATE = 10


def write_video(path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (64, 48))
    assert writer.isOpened()
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    writer.release()


def cut_after(path, frames):
    """Cut a file of JPEG frames off behind a number of them."""
    data = path.read_bytes()
    end = 0
    for _ in range(frames):
        end = data.index(b"\xff\xd9", end) + 2
    path.write_bytes(data[:end])


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov"])
def test_a_whole_video(tmp_path, suffix):
    write_video(tmp_path / f"a{suffix}")
    video = VideoReader(tmp_path / f"a{suffix}")
    levels = [float(frame.mean()) for frame in video]
    assert levels == pytest.approx([8 * number for number in range(FRAMES)], abs=2)
    assert (video.count, video.rate, video.broken_off) == (FRAMES, RATE, None)


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_video_that_breaks_off_says_how_many_frames_were_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_video(path)
    cut_after(path, 12)
    video = VideoReader(path)
    read = len(list(video))
    assert 10 <= read <= 12  # the last one may not come out of a container that is cut off
    assert video.broken_off == f"video {path}: only {read} of its {FRAMES} frames can be read"


def test_what_the_writer_writes_is_whole(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", RATE) as writer:
        for number in range(FRAMES):
            writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
        assert not (tmp_path / "a.mp4").exists()
    video = VideoReader(tmp_path / "a.mp4")
    assert len(list(video)) == FRAMES and video.broken_off is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_after_an_error_there_is_no_drawn_video(tmp_path):
    with pytest.raises(KeyError):
        with VideoWriter(tmp_path / "a.mp4", RATE) as writer:
            writer.write(np.zeros((48, 64, 3), np.uint8))
            raise KeyError
    assert list(tmp_path.iterdir()) == []

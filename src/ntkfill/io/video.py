"""Videos, read and written by PyAV: frames in, and out by the same codec at the same rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime import resources

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
# Streams besides the video that are copied as they are.
COPIED = ("audio", "subtitle")
# H.264 of red, green and blue has an encoder of its own, which takes them in another order.
H264_RGB, RGB_OF_H264 = ("h264", "gbrp"), ("libx264rgb", "rgb24")
# By the number of components of a pixel: as arrays of 8 and of 16 bits.
LAYOUTS = {1: ("gray", "gray16le"), 3: ("rgb24", "rgb48le"), 4: ("rgba", "rgba64le")}


@dataclass(frozen=True)
class Video:
    """How a file stores its frames."""

    path: Path  # of the streams that are copied
    codec: str
    pixel_format: str
    layout: str  # of the arrays
    rate: Fraction
    bit_rate: int | None  # of codecs that lose something
    time_base: Fraction
    times: tuple[int, ...] | None  # in units of the base; None where they follow from the rate
    metadata: dict[str, str]


def read(
    av: Any, path: Path, check: Callable[..., None]
) -> tuple[NDArray[Any], Video, tuple[str, ...]]:
    """Frames (time, rows, columns, or with channels besides), how they are stored, and what cannot
    be kept; `check` refuses too many pixels along these axes."""
    with av.open(str(path)) as file:
        if len(file.streams.video) != 1:
            raise InputError("the file must hold one video", got=f"{len(file.streams.video)}")
        stream = file.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        codec, pixels = stream.codec_context, stream.format
        try:
            av.codec.Codec(codec.name, "w")
        except ValueError as error:  # PyAV raises a kind of it
            raise InputError(
                f"the codec {codec.name} can be read but not written", hint="frames as .png or .tif"
            ) from error
        layout = LAYOUTS[len(pixels.components)][max(c.bits for c in pixels.components) > 8]
        # What is declared first; then what there is, as few containers tell how many frames.
        check(stream.frames, codec.height, codec.width)
        free, size = resources.available(), 0
        frames: list[NDArray[Any]] = []
        times = []
        for frame in file.decode(stream):
            check(len(frames) + 1, frame.height, frame.width)
            if frames and (frame.height, frame.width) != frames[0].shape[:2]:
                raise InputError("its frames have several sizes", hint="frames as .png or .tif")
            if getattr(frame, "rotation", 0):
                raise InputError(
                    "frames are turned when they are shown", hint="the video encoded upright"
                )
            array = frame.to_ndarray(format=layout)
            size += array.nbytes
            resources.require("reading it", 2 * size, free)
            frames.append(array)
            times.append(frame.pts)
        base = stream.time_base
        even = None in times or all(
            abs((t - times[0]) * base - k / rate) <= base for k, t in enumerate(times)
        )
        exact = not codec.codec.lossy and (pixels.is_rgb or len(pixels.components) == 1)
        missed = () if exact else (f"exact pixels ({codec.name}, {pixels.name} is lossy)",)
        others = {s.type for s in file.streams} - {"video", *COPIED}
        encoder, pixel_format = codec.name, pixels.name
        if (encoder, pixel_format) == H264_RGB:
            encoder, pixel_format = RGB_OF_H264
        template = Video(
            path,
            encoder,
            pixel_format,
            layout,
            rate,
            None if exact else stream.bit_rate or file.bit_rate or None,
            base,
            None if even else tuple(times),
            dict(file.metadata),
        )
    if not frames:
        raise InputError("the file holds no frame that can be decoded")
    return np.stack(frames), template, (*missed, *(f"{kind} streams" for kind in sorted(others)))


def write(av: Any, path: Path, array: NDArray[Any], video: Video) -> None:
    """Encode frames as those that were read, beside copies of the other streams."""
    # The same bytes each time: no random number in the container, one thread for the encoder.
    exact = {"fflags": "+bitexact"}
    with av.open(str(video.path)) as source, av.open(str(path), "w", options=exact) as file:
        file.metadata.update(video.metadata)
        stream = file.add_stream(video.codec, rate=video.rate)
        stream.height, stream.width = array.shape[1:3]
        stream.pix_fmt = video.pixel_format
        stream.codec_context.thread_count = 1
        if video.bit_rate is not None:
            stream.bit_rate = video.bit_rate
        if video.times is not None:
            stream.codec_context.time_base = video.time_base
        others = [each for each in source.streams if each.type in COPIED]
        copies = {each.index: file.add_stream_from_template(each) for each in others}
        for k, pixels in enumerate(array):
            frame = av.VideoFrame.from_ndarray(pixels, format=video.layout)
            if video.times is not None:
                frame.pts, frame.time_base = video.times[k], video.time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        for packet in source.demux(others) if others else ():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                file.mux(packet)

"""Ways to read 8 frames at 224×224 of a clip, by library, each with the settings worth trying.

A library is imported by the function that uses it, so this file loads in the product's environment and in the peers'.
Each function takes a path and threads (0: as many as the library likes) and gives RGB, uint8, (8, 224, 224, 3); the
limit's give nothing.
"""

import subprocess
from itertools import islice

import numpy as np

COUNT = 8
SIDE = 224


def centres(total):
    """Give the numbers of the frames at the centres of equal segments of `total` frames."""
    return [(2 * segment + 1) * total // (2 * COUNT) for segment in range(COUNT)]


def pyav(path, threads):
    """Decode up to the last wanted frame, and scale the wanted ones."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE" if threads == 1 else "AUTO"
        wanted = centres(stream.frames)
        found = []
        for number, frame in enumerate(islice(container.decode(stream), wanted[-1] + 1)):
            if number in wanted:
                small = frame.reformat(SIDE, SIDE, format="rgb24", interpolation="BILINEAR", threads=threads)
                found.append(small.to_ndarray())
        return np.stack(found)


def decord(path, threads, resize):
    import decord

    sides = {"width": SIDE, "height": SIDE} if resize == "in the decoder" else {}
    reader = decord.VideoReader(path, ctx=decord.cpu(0), num_threads=threads, **sides)
    frames = reader.get_batch(centres(len(reader))).asnumpy()
    return frames if sides else np.stack([_shrink(frame) for frame in frames])


def torchcodec(path, threads, seek_mode, resize):
    from torch.nn.functional import interpolate
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    inside = resize == "in the decoder"
    decoder = VideoDecoder(
        path,
        num_ffmpeg_threads=threads,
        seek_mode=seek_mode,
        dimension_order="NHWC" if inside else "NCHW",
        transforms=[Resize((SIDE, SIDE))] if inside else None,
    )
    frames = decoder.get_frames_at(centres(decoder.metadata.num_frames)).data
    return (frames if inside else interpolate(frames, (SIDE, SIDE), mode="bilinear").permute(0, 2, 3, 1)).numpy()


def opencv(path, threads, move):
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    found, number = [], 0
    for wanted in centres(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
        if move == "seek":
            capture.set(cv2.CAP_PROP_POS_FRAMES, wanted)
        else:
            for _ in range(wanted - number):
                capture.grab()
        found.append(cv2.cvtColor(_shrink(capture.read()[1]), cv2.COLOR_BGR2RGB))
        number = wanted + 1
    return np.stack(found)


def ffmpeg_null(path, threads):
    subprocess.run(
        ["ffmpeg", "-v", "error", "-threads", str(threads), "-i", path, "-map", "0:v:0", "-f", "null", "-"], check=True
    )


def pyav_null(path, threads):
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE" if threads == 1 else "AUTO"
        for _ in container.decode(stream):
            pass


def _shrink(frame):
    import cv2

    return cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


_RESIZE = [{"resize": "in the decoder"}, {"resize": "after it"}]
LIBRARIES = {
    "PyAV straight through": {pyav: [{}]},
    "decord": {decord: _RESIZE},
    "torchcodec": {torchcodec: [{"seek_mode": mode} | way for mode in ("exact", "approximate") for way in _RESIZE]},
    "OpenCV": {opencv: [{"move": "seek"}, {"move": "grab"}]},
    "decoding all to null": {ffmpeg_null: [{}], pyav_null: [{}]},
}
"""What each library can be told, beside threads."""

SPREADS = ["a process a core", "a thread a core", "one clip at a time"]
"""How clips are spread over the cores: the last leaves them to the library's own threads."""


def settings(library):
    """List a library's settings: function's name, its arguments, and how clips are spread over the cores."""
    return [
        {"function": function.__name__, "arguments": arguments, "spread": spread}
        for function, ways in LIBRARIES[library].items()
        for arguments in ways
        for spread in SPREADS
    ]

"""How pictures became others: dense optical flow, and the camera's part of it."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Grey: (height, width), each side at least `LEAST_SIDE`."""

Fields = NDArray[np.float32]
"""For each of p pairs of pictures and each cell of them a vector, right and down: (p, height, width, 2)."""

LEAST_SIDE: Final = 16
"""Pixels; in smaller pictures there is no patch to look for."""

CELL: Final = 4
"""Pixels of each side of a cell, over which flow is averaged."""

_ROUNDS: Final = 3
_ENOUGH: Final = 14
"""Cells of the shorter side that the camera's motion is fitted to, at least."""

_ERROR: Final = 0.05
"""Pixels by which flow errs where nothing moves."""


def dense_flow(first: Picture, second: Picture) -> NDArray[np.float32]:
    """Find where each pixel of a picture went, in pixels.

    OpenCV uses one thread in this process from then on: worker processes share the cores already.

    Returns:
        Right and down, (height, width, 2).

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016).
    """
    return np.asarray(_algorithm().calc(first, second, None), dtype=np.float32)


@cache
def _algorithm() -> Any:
    import cv2

    cv2.setNumThreads(1)
    algorithm = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    algorithm.setFinestScale(1)
    algorithm.setPatchStride(5)
    algorithm.setGradientDescentIterations(8)
    algorithm.setVariationalRefinementIterations(0)
    return algorithm


def alike(pictures: Sequence[Picture]) -> list[Picture]:
    """Scale pictures to the size of the first, which in nearly all clips they have."""
    import cv2

    height, width = pictures[0].shape
    same = (height, width)
    return [
        one if one.shape == same else np.asarray(cv2.resize(one, (width, height)), dtype=np.uint8) for one in pictures
    ]


def averaged(image: NDArray[Any]) -> NDArray[np.float32]:
    """Take the mean over each cell."""
    import cv2

    height, width = image.shape[:2]
    size = (width // CELL, height // CELL)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def steepness(brightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """How steeply brightness changes from cell to cell: (p, height, width), as given."""
    down, right = np.gradient(brightness, axis=(1, 2))
    return np.asarray(np.abs(right) + np.abs(down), dtype=np.float32)


def smoothed(fields: Fields, deviation: float) -> Fields:
    """Blur each field by a Gaussian, whose deviation is in cells."""
    import cv2

    return np.stack([cv2.GaussianBlur(field, (0, 0), deviation) for field in fields])


def places(height: int, width: int) -> NDArray[np.float32]:
    """Where cells lie: right and down of the middle, in longer sides; (height, width, 2)."""
    down, right = np.mgrid[:height, :width].astype(np.float32)
    centred = np.stack([right - (width - 1) / 2, down - (height - 1) / 2], axis=-1)
    return np.asarray(centred / max(height, width), dtype=np.float32)


def camera_motion(fields: Fields, textures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit the motion that most of a picture shares: a shift, a turn, growth and shear.

    Iteratively reweighted least squares with Cauchy's weights, from the median on. Cells count by their texture: where
    there is none, flow is a guess.

    Args:
        fields: in pixels.
        textures: how much there is to see in each cell, at least 0; (p, height, width).

    Returns:
        (p, 3, 2): the shift in the middle of the picture, then what it gains for each longer side to the right and
        down.

    Source: Holland and Welsch, "Robust regression using iteratively reweighted least-squares" (1977).
    """
    every = slice(None, None, max(min(fields.shape[1:3]) // _ENOUGH, 1))
    where = places(*fields.shape[1:3])[every, every].reshape(-1, 2)
    design = np.column_stack([np.ones(len(where)), where])
    moved = fields[:, every, every].reshape(len(fields), -1, 2).astype(np.float64)
    trust = textures[:, every, every].reshape(len(fields), -1)
    trust = trust / np.maximum(trust.mean(axis=1, keepdims=True), 1e-9) + 1e-3
    fit = np.zeros((len(fields), 3, 2))
    fit[:, 0] = np.median(moved, axis=1)
    for _ in range(_ROUNDS):
        error = np.hypot(*np.moveaxis(moved - design @ fit, -1, 0))
        scale = 1.5 * np.maximum(np.median(error, axis=1, keepdims=True), _ERROR)
        weighted = (trust / (1 + np.square(error / scale)))[..., None] * design
        across = np.swapaxes(weighted, 1, 2)
        fit = np.linalg.solve(across @ design + 1e-6 * np.eye(3), across @ moved)
    return fit.astype(np.float32)


def shared_by(camera: NDArray[np.float32], height: int, width: int) -> Fields:
    """The motion that the camera's gives each cell: (p, height, width, 2)."""
    gains = places(height, width).reshape(-1, 2) @ camera[:, 1:]
    return gains.reshape(len(camera), height, width, 2) + camera[:, None, None, 0]

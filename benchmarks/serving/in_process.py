"""The predictor in a loop: waits for a line, answers for so many seconds, and tells each answer's seconds as JSON."""

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from cu_pipeline.inference.predictor import Predictor


def main() -> None:
    bundles, seconds, clips = Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    predictor = Predictor.load(bundles)
    for path, caption in clips[:3]:
        predictor.predict(Path(path), caption)
    print("ready", flush=True)
    sys.stdin.readline()
    took = []
    end = time.monotonic() + seconds
    for path, caption in cycle(clips):
        begun = time.monotonic()
        if begun >= end:
            break
        predictor.predict(Path(path), caption)
        took.append(time.monotonic() - begun)
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()

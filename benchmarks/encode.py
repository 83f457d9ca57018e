"""How fast `featurize` is, beside decoding alone, encoding alone, and encoding with PyTorch.

    make bench-encode      # writes benchmarks/encode.json
    python benchmarks/encode.py [--clips 96] [--rounds 3] [--folder CLIPS]

Clips and captions are those of the sample world. A round does these in turn, so that what else the
machine does hits all alike:

- decoding: the frames that the encoder wants, in isolated worker processes, one per core, thrown away;
- frames, captions: what was decoded before, and the captions, through the encoders, with nothing else under way;
- featurize: both at once, as the pipeline does it, into a new feature store;
- featurize with encoders that wait instead, as long as ours took: how it is where these have a processor of their own;
- featurize with PyTorch's encoders, on as many threads as there are cores (`encoding/torch_encoders.py`).

Networks have been loaded before; workers start within the clock. Reported are medians of the rounds, in clips a second,
and ratios: featurize to both one after the other, where 1 is all there is on cores that decoding and encoding fill;
with encoders elsewhere to the slower of the two, where again 1 is all there is; and to PyTorch.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cu_pipeline.compute.worker_pool import LocalMapper, usable_cores
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.encoding import TOGETHER, prepare_media
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.decoding import decoder_identity
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions
from encoding.torch_encoders import TorchCaptions, TorchFrames

LIMITS = Limits()
FRAMES = "frames"


def with_network(extractor, network):
    """Let an extractor of the product encode by another network; what its workers get is the same."""
    extractor.encode = network.encode
    return extractor


class Elsewhere:
    """A network on a processor of its own: the results take their time and none of this machine's."""

    def __init__(self, identity, seconds):
        self._shape, self._seconds = identity.shape, seconds

    def encode(self, prepared):
        time.sleep(self._seconds * len(prepared))
        return np.zeros((len(prepared), *self._shape), dtype=np.float32)


def sample(folder, count):
    """Give media paths and captions of the sample world, each as often as asked for at most."""
    rows = pd.read_csv(generate(folder, SampleOptions(clips=count), LocalMapper()), keep_default_na=False)
    paths = [str(folder / path) for path in dict.fromkeys(rows["path"]) if path]
    captions = [text for text in dict.fromkeys(rows["text"]) if text]
    clips = min(count, len(paths), len(captions))
    return paths[:clips], captions[:clips]


def decode(frames, paths):
    """Decode as featurize does, and give what the encoder takes."""
    outcomes = LocalMapper().map(
        partial(prepare_media, extractors={FRAMES: frames}), paths,
        timeout_s=LIMITS.timeout_s, memory_mb=LIMITS.memory_mb, description="decode",
    )  # fmt: skip
    return [outcome.get()[FRAMES] for outcome in outcomes]


def encode(extractor, prepared):
    """Encode as featurize does."""
    together = TOGETHER[extractor.source]
    for start in range(0, len(prepared), together):
        extractor.encode(prepared[start : start + together])


def featurize(extractors, paths, captions):
    """Decode, encode and store."""
    contents = {"media": dict(zip(paths, paths, strict=True)), "text": dict(zip(captions, captions, strict=True))}
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        for chunk in extract_missing(extractors, contents, store, LIMITS, LocalMapper()):
            store.append(chunk.identity, chunk.keys, chunk.values)


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(paths, captions, rounds):
    """Give the seconds of all clips for each kind of work, a list of rounds each, with the load of the machine."""
    ours = [FrameEncoder(), CaptionEncoder()]
    torch = [with_network(FrameEncoder(), TorchFrames()), with_network(CaptionEncoder(), TorchCaptions())]
    prepared = decode(ours[0], paths)
    for frames, texts in (ours, torch):
        frames.encode(prepared[:1])
        texts.encode(captions[:1])
    works = {
        "decoding": lambda: decode(ours[0], paths),
        "frames": lambda: encode(ours[0], prepared),
        "captions": lambda: encode(ours[1], captions),
        "featurize": lambda: featurize(ours, paths, captions),
        "featurize, encoders elsewhere": lambda: featurize(elsewhere(taken, len(paths)), paths, captions),
        "featurize with PyTorch": lambda: featurize(torch, paths, captions),
    }
    taken, loads = {name: [] for name in works}, []
    for _ in tqdm(range(rounds), desc="rounds", disable=None):
        loads.append(os.getloadavg()[0])
        for name, work in works.items():
            taken[name].append(seconds(work))
    return taken, loads


def elsewhere(taken, count):
    """Give extractors that take for a clip what the newest round took."""
    pairs = ((FrameEncoder(), "frames"), (CaptionEncoder(), "captions"))
    return [with_network(one, Elsewhere(one.identity, taken[name][-1] / count)) for one, name in pairs]


def ratios(median):
    encoding = median["frames"] + median["captions"]
    slower = max(median["decoding"], encoding)
    return {
        "to_slower": slower / median["featurize"],
        "elsewhere_to_slower": slower / median["featurize, encoders elsewhere"],
        "to_both_in_turn": (median["decoding"] + encoding) / median["featurize"],
        "to_torch": median["featurize with PyTorch"] / median["featurize"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cu-pipeline-sample-clips")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    paths, captions = sample(arguments.folder, arguments.clips)
    taken, loads = measure(paths, captions, arguments.rounds)
    median = {name: statistics.median(found) for name, found in taken.items()}
    report = {
        "machine": {"cores": usable_cores(), "platform": platform.platform(), "loads": loads},
        "decoder": decoder_identity(),
        "clips": len(paths),
        "frames_a_clip": FrameEncoder().parameters["count"],
        "seconds": taken,
        "clips_a_second": {name: len(paths) / found for name, found in median.items()},
        "ratios": ratios(median),
    }
    tell(report)
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def tell(report):
    speeds, found = report["clips_a_second"], report["ratios"]
    loads = ", ".join(f"{load:.1f}" for load in report["machine"]["loads"])
    print(f"{report['clips']} clips, {report['machine']['cores']} cores, load before each round {loads}")
    for name, speed in speeds.items():
        frames = f" ({speed * report['frames_a_clip']:.0f} frames/s)" if name == "frames" else ""
        print(f"{name:30}{speed:8.1f} clips/s{frames}")
    print(
        f"featurize to decoding and encoding one after the other {found['to_both_in_turn']:.2f}, "
        f"to the slower of them {found['to_slower']:.2f} (encoders elsewhere {found['elsewhere_to_slower']:.2f}), "
        f"to PyTorch {found['to_torch']:.2f}"
    )


if __name__ == "__main__":
    main()

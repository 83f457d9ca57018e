"""How fast `image_text` encodes frames on a GPU, and in how much memory, beside a plain script for transformers.

    python benchmarks/gpu_encode.py [--frames 4096] [--batch 64] [--rounds 3] [--checkpoint FOLDER] [--device cuda]

Without a checkpoint a SigLIP of base size with random weights is written to a temporary folder: speed does not depend
on what the weights are. Frames are random pictures of the network's size, in memory. The plain script sends a batch,
waits for it, and takes its vectors back, in the same precision. Both are warm, and take turns. Printed are medians of
frames a second, the most memory that torch held on the GPU, and how far the vectors lie apart, as JSON.
"""

import argparse
import json
import statistics
import tempfile
import time

import numpy as np
import torch
from transformers import AutoConfig

from cu_pipeline.features.checkpoint import device_of, dtype_of
from cu_pipeline.features.image_text import ImageText

COUNT = 8


def random_siglip(folder):
    """Write a SigLIP of base size."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    SiglipModel(SiglipConfig()).save_pretrained(folder)
    SiglipImageProcessorPil().save_pretrained(folder)
    return folder


def plain(folder, device, batch):
    """What a practitioner writes first."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval().to(device)
    dtype = dtype_of("auto", device)

    def encode(clips):
        frames, found = np.concatenate(clips), []
        for start in range(0, len(frames), batch):
            pixels = torch.from_numpy(frames[start : start + batch]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            with torch.no_grad(), torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
                vectors = model.get_image_features(pixel_values=pixels).pooler_output.float()
            found.append(torch.nn.functional.normalize(vectors).cpu().numpy())
        return np.concatenate(found).reshape(len(clips), COUNT, -1)

    return encode


def timed(encode, clips, device):
    """Give vectors, seconds, and the most memory in MB that was held."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    vectors = encode(clips)
    seconds = time.perf_counter() - started
    return vectors, seconds, torch.cuda.max_memory_allocated() / 2**20 if on_gpu else 0.0


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpoint")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = device_of(given.device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.checkpoint or random_siglip(scratch)
        ours = ImageText({"name": str(folder)}, COUNT, given.batch, device)
        side = AutoConfig.from_pretrained(folder).vision_config.image_size
        random = np.random.default_rng(0)
        clips = list(random.integers(0, 255, (given.frames // COUNT, COUNT, side, side, 3), dtype=np.uint8))
        precision = ours.parameters["precision"]
        ways = {"image_text": ours.encode, "plain": plain(folder, device, given.batch)}
        taken, memory, vectors = {name: [] for name in ways}, {}, {}
        for encode in ways.values():
            encode(clips[: given.batch])
        for _ in range(given.rounds):
            for name, encode in ways.items():
                vectors[name], seconds, memory[name] = timed(encode, clips, device)
                taken[name].append(seconds)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    report = {"device": name, "precision": precision, "frames": len(clips) * COUNT}
    for way, seconds in taken.items():
        report[way] = {
            "frames_per_s": round(len(clips) * COUNT / statistics.median(seconds), 1),
            "memory_mb": round(memory[way]),
        }
    report["apart"] = float(np.abs(vectors["image_text"] - vectors["plain"]).max())
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

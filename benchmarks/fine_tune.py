"""How fast clips are learned from by fine-tuning, and in how much memory, beside a plain loop and the network alone.

    make bench-fine-tune      # writes benchmarks/fine_tune.json
    python benchmarks/fine_tune.py [--size tiny] [--clips 512] [--variants plain compile checkpointing lora]

Networks have random weights: a BERT and a VideoMAE, on a GPU of the size that people use (`base`), else tiny. Texts are
made of random words, clips of JPEG pictures that are decoded, cut and coloured anew for each epoch. For each of them:

- ours: one epoch by the product's trainer, from a checkpoint's folder to the fitted network, checkpoints written;
- loop: the same inputs, optimiser and precision in a loop of twenty lines, as a script of one's own would be;
- network: that loop on one batch that is on the device already: the limit of any trainer.

Speed is by the median time between two steps. Peak memory is what torch allocated on the device.
"""

import argparse
import io
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import DataLoader
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
)
from transformers.utils import logging

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.checkpoint import device_of, dtype_of
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.families import FAMILIES
from cu_pipeline.models.family import Examples
from cu_pipeline.models.fine_tuning_tasks import TASKS
from cu_pipeline.models.fine_tuning_trainer import Collator, Contents, Objective
from cu_pipeline.models.fit_job import FitRows, read_result, write_rows

CLASSES = 8
WORDS = [f"word{number}" for number in range(5000)]
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
VARIANTS = {
    "plain": {},
    "compile": {"compile": True},
    "checkpointing": {"gradient_checkpointing": True},
    "lora": {"lora": {"rank": 16}},
}
PROCESSOR = {
    "image_processor_type": "VideoMAEImageProcessor", "resample": 2, "do_center_crop": True,
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}  # fmt: skip


def text_checkpoint(folder, size):
    words = {name: place for place, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    given = TINY if size == "tiny" else {}
    BertForSequenceClassification(BertConfig(vocab_size=len(words), **given)).save_pretrained(folder)


def video_checkpoint(folder, size):
    side = 32 if size == "tiny" else 224
    given = TINY | {"image_size": side, "patch_size": 8, "num_frames": 4} if size == "tiny" else {}
    VideoMAEForVideoClassification(VideoMAEConfig(**given)).save_pretrained(folder)
    sides = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | sides))


def texts(count, _):
    random = np.random.default_rng(0)
    return np.array([" ".join(random.choice(WORDS, size=64)) for _ in range(count)], dtype=object)


def pictures(count, size):
    from PIL import Image

    random = np.random.default_rng(0)
    high, wide, frames = (32, 40, 8) if size == "tiny" else (256, 340, 32)
    clips = []
    for _ in range(min(count, 16)):
        smooth = random.integers(0, 255, size=(frames, 9, 12, 3), dtype=np.uint8)
        jpegs = []
        for small in smooth:
            stream = io.BytesIO()
            Image.fromarray(small).resize((wide, high), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
            jpegs.append(stream.getvalue())
        clips.append(tuple(jpegs))
    return Pictures([clips[place % len(clips)] for place in range(count)], (frames, high, high, 3))


MADE = {"text": (text_checkpoint, texts), "video": (video_checkpoint, pictures)}


def examples(values, count):
    targets = np.eye(CLASSES, dtype=np.float32)[np.random.default_rng(1).integers(CLASSES, size=count)]
    return Examples(ClipFeatures({"content": Feature(values, np.ones(count, dtype=bool))}, count), targets)


def reset_memory():
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb():
    return round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None


def ours(name, made, options, scratch):
    """Clips a second of the product's trainer, in its own words."""
    reset_memory()
    with checkpoints_in(scratch / "fits"):
        FAMILIES[name]().fit(made, made.take([]), Kind.SINGLE, options, seed=0)
        (folder,) = (scratch / "fits").iterdir()
        _, cost = read_result(folder)
    return {"clips_per_s": cost["clips a second"], "seconds": cost["seconds"], "peak_gb": peak_gb()}


def loop(name, made, options, scratch, *, alone):
    """Clips a second of a loop over the same batches; `alone`: over one that is on the device already."""
    reset_memory()
    device = device_of(options.device)
    task = TASKS[name](Path(options.checkpoint.name), options)
    network = task.network(CLASSES).to(device).train()
    if options.compile:
        network.compile()
    if options.gradient_checkpointing:
        network.activation_checkpointing_enable({"use_reentrant": False})
    values = next(iter(made.features.features.values())).values
    contents = [values[row] if name == "text" else list(values.encoded(row)) for row in range(len(made))]
    write_rows(scratch / "rows.arrow", contents, made, Kind.SINGLE, soft=False)
    rows = FitRows.read(scratch / "rows.arrow")
    objective = Objective(rows, Kind.SINGLE, options)
    loader = DataLoader(
        Contents(rows, task, 0), options.batch_size, shuffle=True, collate_fn=Collator(task),
        num_workers=options.workers, pin_memory=device != "cpu",
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, fused=device != "cpu")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(loader))
    dtype = dtype_of(options.precision, device)

    def on_device(batch):
        moved = {key: value.to(device, non_blocking=True) for key, value in batch.items() if key != "clips"}
        if "clips" in batch:
            moved["clips"] = [clip.to(device, non_blocking=True) for clip in batch["clips"]]
        labels, weights = moved.pop("labels"), moved.pop("weights")
        return task.inputs(moved, training=True), labels, weights

    def step(inputs, labels, weights):
        with torch.autocast(torch.device(device).type, dtype=dtype, enabled=dtype is not torch.float32):
            logits = network(**inputs).logits
        objective(logits.float(), labels, weights, training=True).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()

    if alone:
        ready = on_device(next(iter(loader)))
        step(*ready)
        _wait(device)
    times = []
    for batch in range(len(loader)) if alone else loader:
        step(*(ready if alone else on_device(batch)))
        _wait(device)
        times.append(time.perf_counter())
    between = statistics.median(np.diff(times))
    return {"clips_per_s": round(options.batch_size / between, 1), "peak_gb": peak_gb()}


def _wait(device):
    if device != "cpu":
        torch.cuda.synchronize()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    has_gpu = torch.cuda.is_available()
    parser.add_argument("--size", choices=["tiny", "base"], default="base" if has_gpu else "tiny")
    parser.add_argument(
        "--clips", type=int, default=768 if has_gpu else 128, help="videos; sixteen times as many texts"
    )
    parser.add_argument("--workers", type=int, default=12 if has_gpu else 0)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    device = torch.cuda.get_device_name() if has_gpu else platform.processor() or platform.machine()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    results = {"device": device, "torch": torch.__version__, "size": given.size, "rows": []}
    for name, (checkpoint, contents) in MADE.items():
        count = given.clips * (16 if name == "text" else 1)
        made = examples(contents(count, given.size), count)
        for variant in given.variants:
            with tempfile.TemporaryDirectory() as temporary:
                scratch = Path(temporary)
                checkpoint(scratch / "checkpoint", given.size)
                options = FAMILIES[name].options.model_validate(
                    {
                        "checkpoint": {"name": str(scratch / "checkpoint")}, "epochs": 1, "workers": given.workers,
                        "batch_size": 64 if name == "text" else 16,
                    }
                    | VARIANTS[variant]
                )  # fmt: skip
                row = {"family": name, "variant": variant, "ours": ours(name, made, options, scratch)}
                if variant != "lora":
                    row["loop"] = loop(name, made, options, scratch, alone=False)
                    row["network"] = loop(name, made, options, scratch, alone=True)
                    for peer in ("loop", "network"):
                        row[f"to_{peer}"] = round(row["ours"]["clips_per_s"] / row[peer]["clips_per_s"], 2)
            results["rows"].append(row)
            print(json.dumps(row), flush=True)
    if given.output:
        given.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Networks of random weights, small enough to fit in a test, in folders as transformers saves them."""

import json
import os
import re
from pathlib import Path
from typing import Final

DEVICE: Final = os.environ.get("CU_PIPELINE_TEST_DEVICE", "cpu")
"""Where networks are fitted: another device where tests run on a machine that has one."""

WORDS = [f"word{number}" for number in range(30)] + ["yes", "no", "maybe", "红色", "blue"]


def tiny_text(folder: Path, seed: int = 0) -> Path:
    """A BERT of two layers with dropout, whose tokenizer knows `WORDS`."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
        initializer_range=0.3,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was written after."""
    return int(re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)[1])


def tiny_video(folder: Path, seed: int = 0) -> Path:
    """A VideoMAE of one layer that looks at four frames of 32 × 32 pixels, with its processor's file."""
    import torch
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    torch.manual_seed(seed)
    config = VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, tubelet_size=2, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, initializer_range=0.3,
    )  # fmt: skip
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    processor = {
        "image_processor_type": "VideoMAEImageProcessor", "do_resize": True, "size": {"shortest_edge": 32},
        "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder

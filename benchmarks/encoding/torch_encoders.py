"""The encoders in PyTorch, as a peer for those in ONNX Runtime: same weights, same inputs, same values."""

import numpy as np
import torch
from transformers import BertModel, BertTokenizerFast
from transformers.utils import logging

from cu_pipeline.core.weights import weights_path
from encoding import torch_efficientnet

_FRAMES, _CAPTIONS = 16, 32


class TorchFrames:
    """Frames through EfficientNet-Lite0, with channels last."""

    def __init__(self):
        self._network = torch_efficientnet.load(weights_path("efficientnet-lite0"))

    def encode(self, clips):
        """Encode clips' frames, uint8 RGB (count, height, width, 3) each: float32 (clips, count, 1280)."""
        frames = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = [
                self._network((frames[start : start + _FRAMES].float() - 127) / 128)
                for start in range(0, len(frames), _FRAMES)
            ]
        return torch.cat(features).numpy().reshape(len(clips), -1, torch_efficientnet.FEATURES)


class TorchCaptions:
    """Captions through all-MiniLM-L6-v2."""

    def __init__(self, max_tokens=128):
        folder = str(weights_path("all-minilm-l6-v2").parent)
        self._max_tokens = max_tokens
        logging.disable_progress_bar()
        self._tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        self._network = BertModel.from_pretrained(folder, local_files_only=True).eval()

    def encode(self, captions):
        """Encode captions: float32 (captions, 384)."""
        by_length = sorted(range(len(captions)), key=lambda index: len(captions[index]))
        vectors = np.empty((len(captions), 384), dtype=np.float32)
        for start in range(0, len(by_length), _CAPTIONS):
            batch = by_length[start : start + _CAPTIONS]
            vectors[batch] = self._encode_batch([captions[index] for index in batch])
        return vectors

    def _encode_batch(self, texts):
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        with torch.inference_mode():
            states = self._network(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            mean = (states * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(mean, dim=1).numpy()

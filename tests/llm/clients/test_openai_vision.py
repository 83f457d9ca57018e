"""Pictures sent to a real server of vision models: transformers' own, with a tiny model of random weights."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cu_pipeline.features.clip_pictures import ClipPictures
from cu_pipeline.llm.clients.dispatch import ask_model, client_kind
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.protocol import Generated, WritingQuestion

PATCHES = 16
"""Tokens that the model makes of one picture: 32 x 32 pixels in patches of 8 x 8."""

MAKE_MODEL = """
import sys
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

letters = ["<s>", "</s>", "<pad>", "<image>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
bytes_alone = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=bytes_alone, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
    additional_special_tokens=["<image>"],
)
tokenizer.image_token = "<image>"
template = (
    "{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}:"
)
size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
processor = LlavaProcessor(
    image_processor=CLIPImageProcessorPil(**size), tokenizer=tokenizer, patch_size=8, chat_template=template,
    vision_feature_select_strategy="default", num_additional_image_tokens=1,
)
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
config = LlavaConfig(
    vision_config=CLIPVisionConfig(**shape, image_size=32, patch_size=8),
    text_config=LlamaConfig(**shape, vocab_size=len(letters), bos_token_id=0, eos_token_id=1, pad_token_id=2),
    image_token_index=3,
)
torch.manual_seed(0)
LlavaForConditionalGeneration(config).save_pretrained(sys.argv[1])
processor.save_pretrained(sys.argv[1])
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, project_environment: dict[str, str]) -> Iterator[ClientOptions]:
    """Start the server and give the options of a client that asks it."""
    folder = tmp_path_factory.mktemp("vision")
    environment = project_environment | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "true"}
    subprocess.run([sys.executable, "-c", MAKE_MODEL, str(folder)], env=environment, check=True, capture_output=True)
    command = [Path(sys.executable).with_name("transformers"), "serve", str(folder), "--device", "cpu", "--port", "0"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, "--log-level", "info"], env=environment, stdout=log, stderr=log)
        try:
            url = _address(folder / "log", server)
            given = {"base_url": f"{url}/v1", "model": str(folder), "constrain": "none"}
            yield ClientOptions.model_validate({"name": "openai", "openai": given})
        finally:
            server.terminate()
            server.wait(30)


def _address(log: Path, server: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        said = [line for line in log.read_text().splitlines() if "running on http" in line]
        if said:
            return next(word for word in said[0].split() if word.startswith("http"))
        time.sleep(0.2)
    raise RuntimeError(log.read_text())


@pytest.mark.slow
def test_a_vision_model_is_shown_every_picture_of_a_clip(options: ClientOptions, encode) -> None:
    clip = ClipPictures(str(encode(frames=10)), "sha", 1, 64)
    questions = [WritingQuestion("What is it?", 4, pictures=shown) for shown in (None, clip, clip.take(3))]
    identity = client_kind(options).identity(options)
    answers = {call.key: call.answer for calls in ask_model(questions, {}, options) for call in calls}
    tokens = [answers[question.key(identity)].tokens for question in questions]
    assert all(isinstance(one, Generated) for one in answers.values())
    assert [one - tokens[0] for one in tokens] == [0, PATCHES, 3 * PATCHES]

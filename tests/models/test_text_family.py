import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.models.tiny_networks import DEVICE, WORDS, tiny_text, tiny_video

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError, ConfigurationError, DivergedError, NoSpaceError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.family import Examples
from cu_pipeline.models.fine_tuning_trainer import ClassifierTrainer, Course
from cu_pipeline.models.fit_job import last_checkpoint, mark_complete
from cu_pipeline.models.text_family import Text, TextOptions, joined_texts
from cu_pipeline.models.text_task import longest_text

CLASSES = ["yes", "no", "maybe"]


def said(n, seed, kind=Kind.SINGLE):
    """Clips whose caption names their class among other words."""
    random = np.random.default_rng(seed)
    answers = random.integers(3, size=n)
    texts = [" ".join([*random.choice(WORDS[:30], size=3), CLASSES[answer]]) for answer in answers]
    targets = np.eye(3, dtype=np.float32)[answers]
    if kind is Kind.MULTI:
        targets[:, 2] = 1 - targets[:, 0]
    values = np.array(texts, dtype=object)
    return Examples(ClipFeatures({"caption_text": Feature(values, np.ones(n, dtype=bool))}, n), targets)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_text(tmp_path_factory.mktemp("tiny-text"))


def options(checkpoint, **given):
    usual = {"epochs": 8, "patience": 8, "batch_size": 16, "learning_rate": 0.01, "max_tokens": 16, "device": DEVICE}
    return TextOptions.model_validate({"checkpoint": {"name": str(checkpoint)}} | usual | given)


def right(family, fitted, examples, kind=Kind.SINGLE):
    logits = family.load(fitted.config, fitted.weights).logits(examples.features)
    if kind is Kind.MULTI:
        return ((logits > 0) == (examples.targets > 0.5)).mean()
    return (logits.argmax(1) == examples.targets.argmax(1)).mean()


def same(one, other):
    return one.weights.keys() == other.weights.keys() and all(
        np.array_equal(one.weights[name], other.weights[name]) for name in one.weights
    )


@pytest.mark.parametrize("kind", list(Kind))
def test_learns_the_word_that_tells_the_class(checkpoint, kind):
    chosen = options(checkpoint, epochs=12, patience=12)
    fitted = Text().fit(said(160, 0, kind), said(40, 1, kind), kind, chosen, seed=0)
    assert right(Text(), fitted, said(60, 2, kind), kind) > 0.85
    assert [row["epoch"] for row in fitted.history] == list(range(1, 13))
    assert fitted.history[-1]["val_loss"] < fitted.history[0]["val_loss"]


def test_low_rank_matrices_learn_and_leave_the_checkpoint_as_it_is(checkpoint):
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    lora = {"rank": 8, "alpha": 32}
    fitted = Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, options(checkpoint, lora=lora), seed=0)
    assert right(Text(), fitted, said(60, 2)) > 0.9
    assert not any("lora" in name for name in fitted.weights)
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before


def test_the_same_fit_gives_the_same_bytes_and_another_seed_others(checkpoint):
    fits = [
        Text().fit(said(48, 0), said(16, 1), Kind.SINGLE, options(checkpoint, epochs=1), seed=seed)
        for seed in (0, 0, 1)
    ]
    assert same(fits[0], fits[1])
    assert not same(fits[0], fits[2])


@pytest.mark.parametrize("stop", [2, 3, 5], ids=["within an epoch", "at its end", "in the next"])
def test_a_fit_that_was_killed_goes_on_to_the_same_weights(checkpoint, tmp_path, monkeypatch, stop, caplog):
    given = (said(48, 0), said(16, 1), Kind.SINGLE, options(checkpoint, epochs=2, checkpoint_minutes=0), 0)
    whole = Text().fit(*given)

    class KilledError(Exception):
        pass

    reached = []
    on_save = Course.on_save

    def kill(self, args, state, control, **more):
        on_save(self, args, state, control, **more)
        reached.append(state.global_step)
        if state.global_step == stop:
            raise KilledError

    monkeypatch.setattr(Course, "on_save", kill)
    with pytest.raises(KilledError), checkpoints_in(tmp_path):
        Text().fit(*given)
    monkeypatch.setattr(Course, "on_save", on_save)
    assert reached[-1] == stop
    with caplog.at_level(logging.INFO), checkpoints_in(tmp_path):
        resumed = Text().fit(*given)
    assert "goes on from a checkpoint" in caplog.text
    assert same(whole, resumed)
    assert resumed.history == whole.history
    assert not list(tmp_path.glob("*"))


def written(folder, step, processes, best=None):
    checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_text("weights")
    (checkpoint / "trainer_state.json").write_text(json.dumps({"best_global_step": best}))
    for number in processes:
        (checkpoint / f"rng_state_{number}.pth").write_text("chance")
    for number in processes:
        mark_complete(checkpoint, number)
    return checkpoint


def test_a_checkpoint_that_a_kill_left_unfinished_is_not_used(tmp_path):
    written(tmp_path, 3, [0, 1])
    unfinished = written(tmp_path, 6, [1])
    assert last_checkpoint(tmp_path, processes=2).name == "checkpoint-3"
    assert not unfinished.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "trainer_state.json", "rng_state_1.pth", "complete.1"])
def test_a_checkpoint_that_was_damaged_is_not_used(tmp_path, name):
    written(tmp_path, 3, [0, 1])
    last = written(tmp_path, 6, [0, 1])
    assert last_checkpoint(tmp_path, processes=2) == last
    (last / name).write_text("wei")
    assert last_checkpoint(tmp_path, processes=2).name == "checkpoint-3"
    assert not last.exists()


def test_a_checkpoint_whose_best_one_was_damaged_is_not_used(tmp_path):
    (written(tmp_path, 3, [0]) / "model.safetensors").unlink()
    written(tmp_path, 6, [0], best=3)
    assert last_checkpoint(tmp_path, processes=1) is None


def test_a_fit_whose_end_was_damaged_is_made_again(checkpoint, tmp_path, monkeypatch, caplog):
    given = (said(16, 0), said(8, 1), Kind.SINGLE, options(checkpoint, epochs=1), 0)
    whole = Text().fit(*given)
    with monkeypatch.context() as patch:
        patch.setattr("cu_pipeline.models.checkpoints.remove_tree", lambda _: None)
        with checkpoints_in(tmp_path):
            Text().fit(*given)
    (weights,) = tmp_path.glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-8])
    with checkpoints_in(tmp_path):
        assert same(whole, Text().fit(*given))
    assert "the model is fitted again" in caplog.text


@pytest.mark.parametrize("validated", [0, 8])
def test_weights_that_ran_away_are_no_model(checkpoint, validated):
    chosen = options(checkpoint, learning_rate=1e30, epochs=3)
    with pytest.raises(DivergedError, match=r"ran away in epoch 1.*lower train.text.learning_rate=1e\+30"):
        Text().fit(said(32, 0), said(validated, 1), Kind.SINGLE, chosen, seed=0)


def test_the_best_epoch_before_a_fit_runs_away_is_kept(checkpoint, caplog):
    chosen = options(checkpoint, learning_rate=1e30, epochs=6, warmup=0.5)  # the first step's rate is 0
    fitted = Text().fit(said(16, 0), said(8, 1), Kind.SINGLE, chosen, seed=0)
    assert all(np.isfinite(one).all() for one in fitted.weights.values())
    assert all(np.isfinite(list(row.values())).all() for row in fitted.history)
    assert len(fitted.history) < 6
    assert "the loss ran away in epoch 2; the best epoch before is kept" in caplog.text


def test_a_disk_that_is_full_is_told_and_the_next_try_goes_on(checkpoint, tmp_path, monkeypatch):
    given = (said(16, 0), said(8, 1), Kind.SINGLE, options(checkpoint, epochs=2), 0)

    def full(self, *_):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTrainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(NoSpaceError), checkpoints_in(tmp_path):
            Text().fit(*given)
    with checkpoints_in(tmp_path):
        assert same(Text().fit(*given), Text().fit(*given))


def test_a_step_in_smaller_parts_where_the_device_has_too_little_memory(checkpoint, monkeypatch, caplog):
    import torch

    forward = ClassifierTrainer.compute_loss
    parts = []

    def small(self, model, inputs, *more, **others):
        parts.append(len(inputs["labels"]))
        if parts[-1] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, model, inputs, *more, **others)

    monkeypatch.setattr(ClassifierTrainer, "compute_loss", small)
    fitted = Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, options(checkpoint), seed=0)
    assert right(Text(), fitted, said(60, 2)) > 0.9
    assert "4 clips at a time now" in caplog.text
    monkeypatch.setattr(ClassifierTrainer, "compute_loss", forward)
    steps = {len(Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, options(checkpoint), seed=0).history)}
    assert steps == {len(fitted.history)}


def test_no_clip_fits_into_memory(checkpoint, monkeypatch):
    import torch

    def none(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(ClassifierTrainer, "compute_loss", none)
    with pytest.raises(ConfigurationError, match="not even one clip at a time"):
        Text().fit(said(16, 0), said(8, 1), Kind.SINGLE, options(checkpoint, batch_size=2), seed=0)


@pytest.mark.slow
def test_two_processes_share_a_step(checkpoint, tmp_path):
    one = Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, options(checkpoint), seed=0)
    with checkpoints_in(tmp_path):
        shared = options(checkpoint, processes=2, device="cpu")  # a GPU is of one process
        two = Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, shared, seed=0)
    assert right(Text(), two, said(60, 2)) > 0.9
    assert not same(one, two)


@pytest.mark.slow
def test_a_process_that_fails_is_told_of(checkpoint):
    wrong = options(checkpoint, processes=2, device="cpu", lora={"targets": ["there_is_none"]})
    with pytest.raises(ConfigurationError, match="fits no layer of the network"):
        Text().fit(said(16, 0), said(8, 1), Kind.SINGLE, wrong, 0)


def test_a_rare_class_is_said_more_often_where_classes_are_balanced(checkpoint):
    random = np.random.default_rng(0)
    answers = (random.random(240) < 0.1).astype(int)
    tells = np.where((answers == 1) | (random.random(240) < 0.3), "yes", "no")
    texts = [" ".join([*random.choice(WORDS[:30], size=2), word]) for word in tells]
    examples = Examples(
        ClipFeatures({"caption_text": Feature(np.array(texts, dtype=object), np.ones(240, dtype=bool))}, 240),
        np.eye(2, dtype=np.float32)[answers],
    )
    rare = {}
    for imbalance in ("none", "weights", "logit_adjustment"):
        fitted = Text().fit(examples, examples.take([]), Kind.SINGLE, options(checkpoint, imbalance=imbalance), seed=0)
        logits = Text().load(fitted.config, fitted.weights).logits(examples.features)
        rare[imbalance] = (logits.argmax(1) == 1).mean()
    assert rare["weights"] > rare["none"]
    assert rare["logit_adjustment"] > rare["none"]


def test_a_fit_of_one_step_learns(checkpoint):
    from safetensors.numpy import load_file

    fitted = Text().fit(said(16, 0), said(8, 1), Kind.SINGLE, options(checkpoint, epochs=1), seed=0)
    name = "bert.encoder.layer.0.output.dense.weight"
    assert len(fitted.history) == 1
    assert not np.array_equal(fitted.weights[f"network/{name}"], load_file(checkpoint / "model.safetensors")[name])


def test_several_texts_of_a_clip_are_read_together():
    columns = {name: Feature(np.array(values, dtype=object), np.array([True, True])) for name, values in
               {"caption_text": ["a", ""], "screen_text": ["b", "c"]}.items()}  # fmt: skip
    assert joined_texts(ClipFeatures(columns, 2)) == ["a\nb", "c"]


def test_weights_of_another_network_are_refused(checkpoint):
    fitted = Text().fit(said(16, 0), said(8, 1), Kind.SINGLE, options(checkpoint, epochs=1), seed=0)
    with pytest.raises(BundleError, match="do not fit the 'bert' network"):
        Text().load(fitted.config, {name: value for name, value in fitted.weights.items() if "classifier" not in name})


def test_the_family_needs_a_checkpoint():
    with pytest.raises(ValueError, match=r"'text' needs train\.text\.checkpoint"):
        TrainOptions.model_validate({"family": "text"})


def test_a_changed_checkpoint_is_another_fit(tmp_path):
    surroundings = [options(tiny_text(tmp_path / str(seed), seed)).surroundings() for seed in (0, 0, 1)]
    assert surroundings[0] == surroundings[1] != surroundings[2]


FIT = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, torch
from safetensors.numpy import save_file
sys.path.insert(0, sys.argv[1])
from cu_pipeline.core.capability import Kind
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.text_family import Text
from tests.models.test_text_family import options, said
torch.set_num_threads(1)
with checkpoints_in(Path(sys.argv[3])):
    fitted = Text().fit(said(160, 0), said(40, 1), Kind.SINGLE, options(sys.argv[2], epochs=3, checkpoint_minutes=0), 0)
save_file(dict(fitted.weights), sys.argv[4])
"""


@pytest.mark.slow
@pytest.mark.nightly
def test_a_process_that_was_killed_outright_goes_on_to_the_same_weights(checkpoint, tmp_path):
    root = Path(__file__).parents[2]

    def fit(name):
        command = [
            sys.executable,
            "-c",
            FIT,
            str(root),
            str(checkpoint),
            str(tmp_path / name),
            str(tmp_path / f"{name}.st"),
        ]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    killed = fit("killed")
    while killed.poll() is None and not list((tmp_path / "killed").glob("*/checkpoints/checkpoint-1?")):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed.st").exists()
    for name in ("killed", "whole"):
        assert fit(name).wait() == 0
    assert (tmp_path / "killed.st").read_bytes() == (tmp_path / "whole.st").read_bytes()


def damaged(checkpoint, tmp_path, how):
    """A copy of a checkpoint with something wrong."""
    from transformers import BertConfig, BertForSequenceClassification

    folder = Path(shutil.copytree(checkpoint, tmp_path / "checkpoint"))
    weights = folder / "model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:2000])
    if how == "no tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
    if how == "damaged tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    if how == "video":
        shutil.rmtree(folder)
        tiny_video(folder)
    if how == "another tokenizer":
        narrow = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        BertForSequenceClassification(BertConfig(vocab_size=10, **narrow)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("truncated", "cannot be loaded .SafetensorError"),
        ("no tokenizer", "it has none of tokenizer.json"),
        ("damaged tokenizer", "cannot be loaded .KeyError"),
        ("video", "cannot be loaded .ValueError"),
        ("another tokenizer", "its tokenizer knows 40 tokens, and its network only 10"),
    ],
)
def test_a_checkpoint_that_cannot_be_fitted_is_told(checkpoint, tmp_path, how, words):
    chosen = options(damaged(checkpoint, tmp_path, how), epochs=1)
    with pytest.raises(ConfigurationError, match=words):
        Text().fit(said(8, 0), said(4, 1), Kind.SINGLE, chosen, seed=0)


def test_layers_that_a_network_lacks_are_told_with_those_that_it_has(checkpoint):
    chosen = options(checkpoint, lora={"targets": ["q_proj"]})
    with pytest.raises(ConfigurationError, match=r"fits no layer .* dense, key, query, value"):
        Text().fit(said(8, 0), said(4, 1), Kind.SINGLE, chosen, seed=0)


def test_texts_are_cut_to_what_the_network_reads(checkpoint, caplog):
    def long(words):
        values = np.array([" ".join(words)] * 2, dtype=object)
        return Examples(ClipFeatures({"caption_text": Feature(values, np.ones(2, dtype=bool))}, 2), np.eye(2))

    with caplog.at_level(logging.INFO):
        chosen = options(checkpoint, epochs=1, max_tokens=512)
        fitted = Text().fit(long(["yes"] * 300), long(["no"] * 300), Kind.SINGLE, chosen, seed=0)
    assert "train.text.max_tokens=512 is more than the network reads: 64 it is" in caplog.text
    assert fitted.config["max_tokens"] == 64
    earlier = Text().load(fitted.config | {"max_tokens": 512}, fitted.weights)
    assert earlier.logits(long(["yes"] * 300).features).shape == (2, 2)


def test_roberta_counts_places_from_behind_padding():
    from transformers import RobertaConfig, RobertaForSequenceClassification

    narrow = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    network = RobertaForSequenceClassification(RobertaConfig(vocab_size=10, max_position_embeddings=34, **narrow))
    endless = SimpleNamespace(model_max_length=10**30)
    assert longest_text(network, endless, 512) == 32
    network(torch.full((1, 32), 5))
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        network(torch.full((1, 33), 5))

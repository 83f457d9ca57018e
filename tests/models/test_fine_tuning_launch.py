"""Fits of networks elsewhere than in this process: in parts, and on workers of a real Ray cluster that are killed."""

import dataclasses
import json
import os
import re
import signal
import tempfile
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from tests.models.test_text_family import options, said, same
from tests.models.tiny_networks import tiny_text
from tests.servers.ray_cluster import two_nodes

from cu_pipeline.compute import ray_training
from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.compute.ray_actors import LOST
from cu_pipeline.compute.ray_training import RayTraining, RayTrainingError
from cu_pipeline.core import counters
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError, DivergedError
from cu_pipeline.models import fine_tuning_launch
from cu_pipeline.models.checkpoints import checkpoints_in
from cu_pipeline.models.fine_tuning_launch import Launch, fits_on
from cu_pipeline.models.fine_tuning_trainer import ClassifierTrainer
from cu_pipeline.models.text_family import Text


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network without dropout, so that chance is the same in however many processes."""
    folder = tiny_text(tmp_path_factory.mktemp("tiny-text"))
    config = json.loads((folder / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config | still))
    return folder


def doubtful(n, seed):
    """Clips that count unequally, since their labels are unequally sure."""
    given = said(n, seed)
    sure = np.random.default_rng(seed).uniform(0.4, 1, size=(n, 1))
    targets = given.targets * sure + (1 - given.targets) * (1 - sure) / 2
    return dataclasses.replace(given, targets=targets.astype(np.float32))


def fit(chosen, train=None):
    return Text().fit(doubtful(70, 0) if train is None else train, said(16, 1), Kind.SINGLE, chosen, seed=0)


def logits(fitted):
    return Text().load(fitted.config, fitted.weights).logits(said(60, 2).features)


def test_a_step_in_parts_is_the_step_also_where_clips_count_unequally(checkpoint, monkeypatch):
    import torch

    chosen = options(checkpoint, epochs=2, learning_rate=0.001)
    whole = fit(chosen)
    compute_loss = ClassifierTrainer.compute_loss

    def small(self, model, inputs, *more, **others):
        if model.training and len(inputs["labels"]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute_loss(self, model, inputs, *more, **others)

    monkeypatch.setattr(ClassifierTrainer, "compute_loss", small)
    in_parts = fit(chosen)
    assert logits(in_parts) == pytest.approx(logits(whole), abs=1e-3)


@pytest.mark.parametrize(
    ("workers", "batch", "shares"),
    [(0, 16, 3 - 1), (3, 16, 2), (4, 16, 4), (9, 6, 6), (9, 64, 8), (1, 7, 1), (2, 7, 1)],
)
def test_a_step_is_shared_without_a_rest(monkeypatch, workers, batch, shares):
    nodes = [{"Alive": True}, {"Alive": True}, {"Alive": False}, {"Alive": True}]
    ray = SimpleNamespace(nodes=lambda: nodes, cluster_resources=lambda: {"CPU": 8})
    monkeypatch.setattr(ray_training, "connected", lambda *_: ray)
    assert RayTraining("auto", workers).shares(batch, on_gpus=False) == shares
    assert not RayTraining("auto", workers).on_gpus("auto")
    assert RayTraining("auto", workers).threads(shares, 4) == min(4, 8 // shares)


def test_a_share_is_a_gpu_where_gpus_are_wanted_and_there(monkeypatch):
    ray = SimpleNamespace(nodes=list, cluster_resources=lambda: {"CPU": 64, "GPU": 4})
    monkeypatch.setattr(ray_training, "connected", lambda *_: ray)
    training = RayTraining("auto", 0)
    assert (training.on_gpus("auto"), training.on_gpus("cpu")) == (True, False)
    assert training.shares(64, on_gpus=True) == 4


def test_processes_that_have_no_gpu_of_their_own_are_refused(checkpoint, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigurationError, match=r"processes=3 .* torch finds 2\. Allowed: 1 to 2, or 0"):
        Launch.of(options(checkpoint, device="auto", processes=3))
    assert Launch.of(options(checkpoint, device="auto", processes=0)).processes == 2
    assert Launch.of(options(checkpoint, device="cpu", processes=3)).processes == 3


class OneWorker:
    """Runs the only share of a fit here, as a worker on another machine would, in another folder."""

    def __init__(self, address, workers):
        self.said = []

    def on_gpus(self, device):
        return False

    def shares(self, batch, *, on_gpus):
        return 1

    def threads(self, shares, most):
        return most

    def run(self, function, folder, *, workers, on_gpus):
        here = Path.cwd()
        with tempfile.TemporaryDirectory() as elsewhere:
            os.chdir(elsewhere)
            try:
                function(folder.absolute())
            except Exception as error:
                raise RayTrainingError(str(error)) from error
            finally:
                os.chdir(here)


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setattr(fine_tuning_launch, "RayTraining", OneWorker)
    return ComputeOptions(engine="ray")


def test_a_worker_fits_the_very_same_model(checkpoint, one_worker, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(checkpoint.parent))
    chosen = options(checkpoint.name, epochs=1)
    with fits_on(one_worker):
        assert Launch.of(chosen).options_of(chosen)["checkpoint"]["name"] == str(checkpoint)
        there = fit(chosen)
    assert same(fit(chosen), there)
    with fits_on(ComputeOptions()):
        assert Launch.of(chosen).cluster is None


def test_what_a_worker_says_is_told_here(checkpoint, one_worker, caplog):
    with fits_on(one_worker), pytest.raises(ConfigurationError, match="fits no layer of the network"):
        fit(options(checkpoint, epochs=1, lora={"targets": ["there_is_none"]}))
    with fits_on(one_worker), pytest.raises(DivergedError, match="ran away in epoch 1"):
        fit(options(checkpoint, epochs=1, learning_rate=1e30))
    caplog.clear()
    with fits_on(one_worker):
        fit(options(checkpoint, learning_rate=1e30, epochs=6, warmup=0.5), said(16, 0))
    assert any(
        "the best epoch before is kept" in one.getMessage() and one.name.endswith("launch") for one in caplog.records
    )


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as made:
        yield ComputeOptions(engine="ray", address=made.address)


def kill_a_worker(folder, after):
    """Kill -9 a worker of Ray Train once a checkpoint of a later step is there."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        steps = [int(re.sub(r".*-", "", path.name)) for path in folder.glob("*/checkpoints/checkpoint-*")]
        if max(steps, default=0) >= after:
            break
        time.sleep(0.01)
    started = psutil.Process().children(recursive=True)
    os.kill(next(one.pid for one in started if "RayTrainWorker" in one.name() + "".join(one.cmdline())), signal.SIGKILL)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
class TestOnRay:
    def test_one_worker_fits_the_model_of_this_process_and_two_the_same_but_for_rounding(self, checkpoint, cluster):
        chosen = options(checkpoint, epochs=2, learning_rate=0.001)
        here = fit(chosen)
        counters.reset()
        with fits_on(cluster.model_copy(update={"workers": 1})):
            assert same(here, fit(chosen))
        with fits_on(cluster):
            assert Launch.of(chosen).processes == 2
            shared = fit(chosen)
        assert logits(shared) == pytest.approx(logits(here), abs=1e-3)
        assert [row["loss"] for row in shared.history] == pytest.approx([row["loss"] for row in here.history], rel=1e-4)
        assert LOST not in counters.counts()

    def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(self, checkpoint, cluster, tmp_path, caplog):
        chosen = options(checkpoint, epochs=20, patience=20, checkpoint_minutes=0, learning_rate=0.001)
        counters.reset()
        with fits_on(cluster):
            whole = fit(chosen)
            killer = Thread(target=kill_a_worker, args=[tmp_path, 12])
            killer.start()
            with checkpoints_in(tmp_path):
                resumed = fit(chosen)
            killer.join()
        assert counters.counts()[LOST] == 1
        assert "all go on from the last checkpoint" in caplog.text
        assert same(whole, resumed)
        assert resumed.history == whole.history

    def test_a_worker_that_cannot_go_on_is_told_of_at_once(self, checkpoint, cluster):
        counters.reset()
        with fits_on(cluster), pytest.raises(ConfigurationError, match="fits no layer of the network"):
            fit(options(checkpoint, lora={"targets": ["there_is_none"]}))
        assert LOST not in counters.counts()

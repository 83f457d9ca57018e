"""The evaluate pipeline on invented features and models whose answers are known."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision_goal import DecisionGoal
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.datasets.tables import JSONFile, ParquetTable
from cu_pipeline.evaluation.judged import Judged
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.inference.contests import Drawn, _blind_to, contest_of
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.models.bundle import content_keys
from cu_pipeline.pipelines.evaluate import create_pipeline
from cu_pipeline.pipelines.evaluate.nodes import answer_by_baselines, join_truth

OUTPUTS = {
    "predictions": ParquetTable,
    "challenger_predictions": ParquetTable,
    "metrics": JSONFile,
    "gate": JSONFile,
    "insights": JSONFile,
}


@pytest.fixture
def world(world):
    """The world with features of all clips."""
    world.store_features(world.clips)
    return world


@pytest.fixture
def contrary(caption_reader):
    """A bundle that is always wrong."""
    name = "expert.captions.weight"
    return replace(caption_reader, weights=caption_reader.weights | {name: -caption_reader.weights[name]})


def run(
    world, challenger, champion=None, outputs=tuple(OUTPUTS), seed=1, taken_back=(), earlier=(), requests=(), **gate
):
    """Run what gives `outputs`, but for the look into the registry; give them by name."""
    datasets = {
        "clips": world.clips,
        "labels": world.labels,
        "annotations": table([], ANNOTATIONS),
        "bundles": {} if challenger is None else {"topic": challenger},
        "champion_bundles": {} if champion is None else {"topic": champion},
        "taken_back": {"topic": set(taken_back)},
        "features": world.store,
        "capabilities_resolved": world.resolved,
        "earlier_gate_tests": list(earlier),
        "label_requests": list(requests),
        "earlier_insights": {},
        "params:evaluate": EvaluateOptions(bootstrap_draws=100, gate=gate),
        "params:seed": seed,
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in datasets.items()})
    catalog["gate_tests"] = MemoryDataset()
    for name, kind in OUTPUTS.items():
        catalog[name] = kind(filepath=str(world.store.root.parent / name))
    pipeline = create_pipeline()
    SequentialRunner().run((pipeline - pipeline.only_nodes("find_champions")).to_outputs(*outputs), catalog)
    return {name: catalog.load(name) for name in outputs}


def test_each_split_is_measured_and_the_test_split_in_full(world, caption_reader):
    report = run(world, caption_reader, outputs=["metrics"])["metrics"]["topic"]
    assert {split: report[split]["n"] for split in ("train", "validation", "test")} == {
        "train": 12, "validation": 4, "test": 8,
    }  # fmt: skip
    assert report["test"]["accuracy"] == 1
    low, high = report["test"]["ci95"]["accuracy"]
    assert 0.5 < low < high == 1
    assert report["test"]["units"] == 8
    assert report["calibration"]["before"] is not None
    assert report["cross_fitted"] is None
    assert report["confusion"] == [[4, 0], [0, 4]]
    assert report["baselines"]["majority"]["accuracy"] == 0.5
    json.dumps(report, allow_nan=False)


def test_baselines_look_at_what_any_trained_model_reads(world, caption_reader):
    judged = join_truth(world.clips, world.labels, table([], ANNOTATIONS), {"topic": caption_reader})
    reader = replace(caption_reader, inputs={"captions": caption_reader.inputs["captions"]})
    for others, looked_at in (({}, False), ({"mood": replace(caption_reader, capability="mood")}, True)):
        answers = answer_by_baselines(judged, {"topic": reader} | others, world.store, world.resolved, 1)["topic"]
        assert ("frames_logistic" in answers) == looked_at
        assert "captions_logistic" in answers


def test_the_seed_of_the_project_draws_the_resamples(world, caption_reader):
    found = [run(world, caption_reader, outputs=["metrics"], seed=seed)["metrics"]["topic"] for seed in (1, 1, 2)]
    intervals = [[one["ci95"] for one in report["baselines"].values()] for report in found]
    assert intervals[0] == intervals[1] != intervals[2]


def test_calibration_is_told_without_the_temperature_too(world, caption_reader):
    cold = run(world, caption_reader, outputs=["metrics"])["metrics"]["topic"]["calibration"]
    warm = run(world, replace(caption_reader, temperature=3.0), outputs=["metrics"])["metrics"]["topic"]["calibration"]
    assert cold["before"] == pytest.approx(cold["after"])
    assert warm["before"] == pytest.approx(cold["after"], abs=1e-4)
    assert warm["after"]["log_loss"] > warm["before"]["log_loss"]


def test_a_wrong_model_is_measured_as_wrong(world, contrary):
    report = run(world, contrary, outputs=["metrics"])["metrics"]["topic"]
    assert report["test"]["accuracy"] == 0
    assert report["confusion"] == [[0, 4], [4, 0]]


@pytest.mark.parametrize("source", ["rule", "llm", "model"])
def test_only_peoples_labels_count(world, caption_reader, source):
    world.labels.loc[20:, ["source", "label"]] = [source, "cooking"]
    report = run(world, caption_reader, outputs=["metrics"])["metrics"]["topic"]
    assert (report["test"]["n"], report["test"]["accuracy"]) == (4, 1)


def test_without_peoples_labels_nothing_is_measured_and_that_is_said(world, caption_reader, contrary, caplog):
    found = run(world.relabel("test", source="llm"), caption_reader, contrary, ["metrics", "gate"])
    assert "test" not in found["metrics"]["topic"]
    assert "confusion" not in found["metrics"]["topic"]
    assert "topic: no clip of the test split has a label by people" in caplog.text
    decision = found["gate"]["topic"]
    assert decision["decision"] == "keep"
    assert "no clip of the test split has a label by people" in decision["reasons"][0]


def test_every_clip_is_predicted(world, caption_reader):
    predictions = run(world, caption_reader, outputs=["predictions"])["predictions"]
    assert predictions["clip_id"].tolist() == world.clips["clip_id"].tolist()
    assert predictions["split"].tolist() == world.clips["split"].tolist()
    with_caption = world.clips["text_sha256"] != ""
    assert (predictions["label"] == world.labels["label"])[with_caption].all()


def decide(world, challenger, champion, **options):
    decision = run(world, challenger, champion, ["gate"], **options)["gate"]["topic"]
    assert decision["challenger"] == challenger.version
    assert decision["champion"] == (champion.version if champion else None)
    return decision


def test_the_first_model_that_knows_more_than_the_majority_is_promoted(world, caption_reader):
    decision = decide(world, caption_reader, None)
    assert (decision["decision"], decision["against"], decision["effect"]) == ("promote", "majority", 0.5)
    assert decision["p_value"] <= decision["alpha"] == pytest.approx(0.035)
    assert decision["reasons"][0] == "there was no champion to compare it with"
    assert "better than the majority (accuracy +0.500" in decision["reasons"][1]
    assert {row["name"] for row in decision["baselines"]} >= {"majority", "metadata_only"}


def test_a_first_model_that_is_useless_is_not_promoted_with_reasons_and_what_would_help(world, contrary, caplog):
    found = run(world, contrary)
    decision = found["gate"]["topic"]
    assert (decision["decision"], decision["champion"]) == ("keep", None)
    reasons = "; ".join(decision["reasons"])
    assert "on 8 test clips it is not shown to be better than the majority (accuracy -0.500" in reasons
    assert "its confidence is 100 points above the truth, more than the 20 that" in reasons
    assert "with 8 units a gain under" in reasons
    assert "what would help: more labels, labels that are right" in reasons
    assert "topic: not promoted: there was no champion to compare it with; " in caplog.text
    assert not found["metrics"]["topic"]["served"]


def test_a_model_is_promoted_by_force_and_that_is_recorded(world, contrary):
    decision = decide(world, contrary, None, force=["topic"])
    assert (decision["decision"], decision["forced"]) == ("promote", True)
    assert decision["reasons"][0] == "forced: evaluate.gate.force names topic"
    assert any("not shown to be better" in reason for reason in decision["reasons"])
    assert not any("what would help" in reason for reason in decision["reasons"])


def test_a_model_that_passes_by_itself_was_not_forced(world, caption_reader):
    assert not decide(world, caption_reader, None, force=["topic"])["forced"]


def test_force_of_a_capability_without_a_model_is_told(world, caption_reader, caplog):
    run(world, caption_reader, None, ["gate"], force=["toppic"])
    assert "evaluate.gate.force names toppic, of which no model was trained" in caplog.text


def test_a_model_that_was_never_measured_is_not_promoted(world, caption_reader):
    decision = decide(world.relabel("test", source="llm"), caption_reader, None)
    assert decision["decision"] == "keep"
    assert "no clip of the test split has a label by people" in decision["reasons"][0]


def test_without_any_label_by_people_a_model_is_kept_back_and_not_measured(world, caption_reader, contrary):
    found = run(replace(world, labels=world.labels.iloc[:0]), caption_reader, contrary)
    assert "no clip of the test split has a label by people" in found["gate"]["topic"]["reasons"][0]
    assert "test" not in found["metrics"]["topic"]


def test_without_a_model_nothing_is_predicted_measured_or_judged(world):
    found = run(world, None)
    assert found["predictions"].empty
    assert (found["metrics"], found["gate"]) == ({}, {})


def test_the_same_model_stays(world, caption_reader):
    decision = decide(world, caption_reader, caption_reader)
    assert decision["decision"] == "keep"
    assert decision["reasons"] == ["the challenger is the champion: nothing changed"]


def test_a_champion_of_other_classes_is_replaced(world, caption_reader):
    champion = replace(caption_reader, classes=("cooking", "travel"))
    decision = decide(world, caption_reader, champion)
    assert (decision["decision"], decision["against"]) == ("promote", "majority")
    assert "classes changed" in decision["reasons"][0]


def test_a_champion_of_other_classes_is_not_replaced_by_a_useless_model(world, caption_reader, contrary):
    champion = replace(caption_reader, classes=("cooking", "travel"))
    decision = decide(world, contrary, champion)
    assert (decision["decision"], decision["champion"]) == ("keep", champion.version)
    assert "classes changed" in decision["reasons"][0]


@pytest.fixture
def earlier_champion(world, contrary, make_bundle):
    """A champion that is always wrong and reads other frames than the models of now; its features are stored."""
    extracted = FeatureOptions(frames={"count": 3, "size": 64}, captions={"max_tokens": 8})
    world.store_features(world.clips, extracted)
    shape = make_bundle(classes=contrary.classes, extracted=extracted)
    weights = {name: value for name, value in contrary.weights.items() if name != "place"}
    return replace(shape, weights=weights | {"place": np.zeros_like(shape.weights["place"])})


def test_models_of_other_features_are_compared_each_by_its_own(world, caption_reader, earlier_champion):
    decision = decide(world, caption_reader, earlier_champion)
    assert (decision["decision"], decision["effect"], decision["against"]) == ("promote", 1, "champion")
    assert decision["p_value"] == pytest.approx(0.5**8)
    decision = decide(world, earlier_champion, caption_reader)
    assert (decision["decision"], decision["effect"], decision["p_value"]) == ("keep", -1, 1)


def with_travel(world, *clips):
    """The world after a class was added and people named it for some clips."""
    labels = world.labels.copy()
    labels.loc[labels["clip_id"].isin(clips), "label"] = "travel"
    return replace(world, labels=labels)


def knows_travel(bundle, mark=0.0):
    """The model with a class that it names last, since it was added; `mark` is how much it prefers that."""
    weights = dict(bundle.weights)
    for name, value in bundle.weights.items():
        if value.shape and value.shape[0] == 2 and ("expert." in name or name.startswith("out.")):
            weights[name] = np.concatenate([value, np.zeros_like(value[:1])])
    weights["out.bias"] = np.array([0.0, 0.0, mark], dtype=np.float32)
    return replace(bundle, classes=(*bundle.classes, "travel"), weights=weights, model=bundle.model | {"classes": 3})


def test_a_model_is_wrong_on_clips_of_a_class_that_it_does_not_know(world, caption_reader, caplog):
    found = run(with_travel(world, "c00", "c16", "c17"), caption_reader)
    report = found["metrics"]["topic"]
    assert (report["test"]["accuracy"], report["test"]["n"]) == (0.75, 8), "two of eight clips are of the new class"
    assert (report["classes"], report["unknown"]) == (["cooking", "sport", "travel"], ["travel"])
    assert report["per_class"]["travel"] | {"auroc": None} == {
        "precision": 0, "recall": 0, "f1": 0, "support": 2, "average_precision": 0.25, "auroc": None,
    }  # fmt: skip
    assert report["test"]["log_loss"] > -np.log(1e-6) / 4, "it gives the class no chance"
    assert report["warnings"][0].startswith("The model does not know the class 'travel', which labels name: it is wron")
    assert "topic: people name 'travel', which the trained model" in caplog.text
    assert {one["truth"] for one in found["insights"]["topic"]["errors"]} == {"travel"}
    assert len(found["insights"]["topic"]["modalities"]) == 2
    known = run(world, caption_reader, outputs=["metrics"])["metrics"]["topic"]
    assert "unknown" not in known


def test_clips_of_several_classes_are_wrong_where_the_model_does_not_know_one(world, caption_reader):
    bundle = replace(caption_reader, kind=Kind.MULTI, thresholds={"cooking": 0.5, "sport": 0.5})
    world.labels["label"] = [("cooking", "sport|travel")[row % 2] if row > 19 else "none" for row in range(24)]
    report = run(world, bundle, outputs=["metrics"])["metrics"]["topic"]
    assert report["confusion"]["travel"] == [[6, 0], [2, 0]]
    assert report["confusion"]["sport"][1] == [0, 2]
    assert report["unknown"] == ["travel"]


def test_a_champion_that_lacks_a_new_class_is_compared_and_wrong_on_its_clips(world, caption_reader, contrary):
    grown = with_travel(world, "c16", "c17")
    decision = decide(grown, knows_travel(caption_reader), caption_reader)
    assert (decision["decision"], decision["against"], decision["effect"]) == ("promote", "champion", 0)
    assert (
        "2 of these clips are of 'travel', which the champion does not know: it counts as wrong on them"
        in (decision["reasons"])
    )
    assert any(
        "'travel', and the challenger, which does, is not shown to be worse" in one for one in decision["reasons"]
    )
    unseen = decide(world, knows_travel(caption_reader), caption_reader)
    assert unseen["decision"] == "keep", "a class that nobody has named opens no gate"
    assert any("0 of these clips are of 'travel'" in one and "nothing is known" in one for one in unseen["reasons"])
    worse = decide(grown, knows_travel(contrary), caption_reader)
    assert (worse["decision"], worse["against"], worse["effect"]) == ("keep", "champion", -0.75)
    found = run(grown, knows_travel(contrary), caption_reader)["metrics"]["topic"]
    assert (found["model_version"], found["test"]["accuracy"]) == (caption_reader.version, 0.75), "it is measured, too"
    assert found["challenger"]["test"]["accuracy"] == 0
    knowing = decide(
        with_travel(world, *(f"c{row}" for row in range(16, 24))), knows_travel(contrary, 9), caption_reader
    )
    assert (knowing["decision"], knowing["effect"]) == ("promote", 1)


def test_a_champion_of_another_kind_is_not_compared(world, caption_reader):
    champion = replace(caption_reader, kind=Kind.MULTI, thresholds={"cooking": 0.5, "sport": 0.5})
    decision = decide(world, caption_reader, champion)
    assert (decision["decision"], decision["against"]) == ("promote", "majority")
    assert decision["reasons"][0] == "the kind changed from multi to single, so the champion answers otherwise"


def test_a_champion_of_the_same_classes_in_another_order_is_compared(world, caption_reader, contrary):
    turned = replace(contrary, classes=contrary.classes[::-1])
    decision = decide(world, caption_reader, turned)
    assert (decision["against"], decision["effect"]) == ("champion", 0), "turned round, the wrong one is right"


def test_models_of_other_features_are_compared_on_the_clips_that_have_both(world, caption_reader, earlier_champion):
    identity = build_all(FeatureOptions(frames={"count": 3, "size": 64}))["frames"].identity
    shutil.rmtree(world.store.root / "frames" / identity.fingerprint)
    world.store.append(identity, ["m16", "m17"], np.zeros((2, 3, 1280), dtype=np.float32))
    decision = decide(world, caption_reader, earlier_champion)
    assert decision["p_value"] == pytest.approx(0.5**2)
    assert "on 2 test clips" in decision["reasons"][0]
    lacking = (
        "6 labelled clips are left out, as features that the {} reads are not stored of them: run the featurize pi"
    )
    assert decision["reasons"][-1].startswith(lacking.format("champion"))
    judged = join_truth(world.clips, world.labels, table([], ANNOTATIONS), {"topic": earlier_champion})["topic"]
    assert contest_of(earlier_champion, caption_reader, judged, world.store).unread == {"challenger": 6, "champion": 0}


def test_a_champion_whose_features_are_stored_for_no_clip_is_kept_with_the_remedy(
    world, caption_reader, earlier_champion
):
    identity = build_all(FeatureOptions(frames={"count": 3, "size": 64}))["frames"].identity
    shutil.rmtree(world.store.root / "frames" / identity.fingerprint)
    decision = decide(world, caption_reader, earlier_champion)
    assert (decision["decision"], decision["p_value"]) == ("keep", None)
    assert decision["reasons"][0] == (
        "no test clip is left that both models can be asked about: 8 labelled clips are left out, as features that the "
        "champion reads are not stored of them: run the featurize pipeline"
    )


def test_a_champion_that_cannot_be_served_here_is_replaced_by_a_model_that_can_stand_alone(
    world, caption_reader, contrary
):
    identity = Identity("frames", 0, (2, 1280), "weights of before")
    world.store.append(identity, [f"m{row}" for row in range(24)], np.zeros((24, 2, 1280), np.float32))
    frames = replace(caption_reader.inputs["frames"], fingerprint=identity.fingerprint)
    champion = replace(caption_reader, inputs={"frames": frames, "captions": caption_reader.inputs["captions"]})
    decision = decide(world, replace(caption_reader, temperature=2.0), champion)
    assert (decision["decision"], decision["against"]) == ("promote", "majority")
    assert "cannot be served here: bundle 'topic' reads 'frames' features" in decision["reasons"][0]
    decision = decide(world, contrary, champion)
    assert (decision["decision"], decision["against"]) == ("keep", "majority")


def test_a_better_model_is_promoted_with_the_evidence(world, caption_reader, contrary):
    decision = decide(world, caption_reader, contrary)
    assert decision["decision"] == "promote"
    assert decision["effect"] == 1
    assert decision["p_value"] == pytest.approx(0.5**8)


def test_a_worse_model_is_not_promoted(world, caption_reader, contrary):
    decision = decide(world, contrary, caption_reader)
    assert (decision["decision"], decision["effect"], decision["p_value"]) == ("keep", -1, 1)


def test_a_model_that_is_as_good_is_not_promoted(world, caption_reader):
    decision = decide(world, replace(caption_reader, temperature=2.0), caption_reader)
    assert (decision["decision"], decision["effect"]) == ("keep", 0)


def test_a_model_without_erased_clips_is_promoted_unless_it_is_worse(world, caption_reader, contrary):
    knows = replace(caption_reader, erased=2)
    decision = decide(world, replace(caption_reader, temperature=2.0), knows)
    assert (decision["decision"], decision["effect"]) == ("promote", 0)
    assert any("clips that were erased since" in reason for reason in decision["reasons"])
    worse = decide(world, contrary, knows)
    assert (worse["decision"], worse["effect"]) == ("keep", -1)


def test_a_model_that_keeps_to_a_changed_decision_is_promoted_unless_it_is_worse(world, caption_reader, contrary):
    bars = {"cooking": 1.0, "sport": 1.0}
    careful = replace(caption_reader, thresholds=bars, decision=DecisionGoal(abstain_below=0.99))
    decision = decide(world, careful, caption_reader)
    assert (decision["decision"], decision["effect"]) == ("promote", 0), "what it leaves out is not held against it"
    assert any("`decision` was changed" in reason for reason in decision["reasons"])
    worse = decide(world, replace(contrary, decision=careful.decision), caption_reader)
    assert (worse["decision"], worse["effect"]) == ("keep", -1)
    found = run(world, careful, caption_reader)
    assert set(found["predictions"]["label"]) == {"abstain"}
    assert found["metrics"]["topic"]["test"]["answers"]["coverage"] == 0
    assert found["metrics"]["topic"]["test"]["accuracy"] == 1
    assert found["metrics"]["topic"]["skill"]["accuracy_gain"] == 0.5


def test_a_model_that_is_better_by_luck_is_not_promoted(world, caption_reader, contrary):
    world.labels = world.labels.drop(index=range(20, 24))  # four test clips: p = 1/16
    decision = decide(world, caption_reader, contrary)
    assert (decision["decision"], decision["p_value"]) == ("keep", 1 / 16)


def test_several_classes_at_once_are_judged_by_their_thresholds(world, caption_reader):
    weights = caption_reader.weights | {"out.bias": np.array([0.0, -100.0], dtype=np.float32)}
    bundle = replace(caption_reader, kind=Kind.MULTI, weights=weights, thresholds={"cooking": 0.5, "sport": 0.5})
    world.labels["label"] = ["cooking" if row % 2 == 0 else "none" for row in range(24)]
    report = run(world, bundle, outputs=["metrics"])["metrics"]["topic"]
    assert report["test"]["accuracy"] == 1
    assert report["confusion"] == {"cooking": [[4, 0], [0, 4]], "sport": [[8, 0], [0, 0]]}


def test_results_speak_of_the_served_model_and_show_the_challenger_beside_it(world, caption_reader, contrary):
    found = run(world, contrary, caption_reader)
    assert found["gate"]["topic"]["decision"] == "keep"
    report = found["metrics"]["topic"]
    assert (report["model_version"], report["served"], report["test"]["accuracy"]) == (caption_reader.version, True, 1)
    beside = report["challenger"]
    assert (beside["model_version"], beside["test"]["accuracy"]) == (contrary.version, 0)
    assert beside["test"]["n"] == report["test"]["n"] == 8
    assert (beside["gain"]["accuracy"], beside["shown_better"]) == (-1, False)
    majority = report["baselines"]["majority"]
    assert (majority["gain"]["accuracy"], majority["shown_better"]) == (0.5, False), "eight clips show too little"
    assert set(found["predictions"]["model_version"]) == {caption_reader.version}
    assert set(found["challenger_predictions"]["model_version"]) == {contrary.version}
    assert found["challenger_predictions"]["clip_id"].tolist() == found["predictions"]["clip_id"].tolist()


def test_a_promoted_model_is_the_served_one_and_stands_alone(world, caption_reader, contrary):
    for champion in (contrary, None, caption_reader):
        found = run(world, caption_reader, champion, ["metrics", "predictions", "challenger_predictions"])
        report = found["metrics"]["topic"]
        assert (report["model_version"], report["served"]) == (caption_reader.version, True)
        assert "challenger" not in report
        assert set(found["predictions"]["model_version"]) == {caption_reader.version}
        assert found["challenger_predictions"].empty


def test_a_model_that_is_neither_promoted_nor_replaced_is_told_as_not_served(world, caption_reader):
    report = run(world.relabel("test", source="llm"), caption_reader, outputs=["metrics"])["metrics"]["topic"]
    assert (report["model_version"], report["served"]) == (caption_reader.version, False)


def test_each_of_two_models_is_measured_by_its_own_features(world, caption_reader, earlier_champion):
    report = run(world, earlier_champion, caption_reader, ["metrics"])["metrics"]["topic"]
    assert (report["test"]["accuracy"], report["challenger"]["test"]["accuracy"]) == (1, 0)


def test_where_the_champions_features_are_not_stored_the_trained_model_is_shown_as_not_served(
    world, caption_reader, earlier_champion, caplog
):
    identity = build_all(FeatureOptions(frames={"count": 3, "size": 64}))["frames"].identity
    shutil.rmtree(world.store.root / "frames" / identity.fingerprint)
    found = run(world, caption_reader, earlier_champion)
    report = found["metrics"]["topic"]
    assert (report["model_version"], report["served"]) == (caption_reader.version, False)
    assert "topic: the features that the champion reads are stored for no clip" in caplog.text


def test_a_model_that_people_took_back_is_not_promoted_again_but_compared(world, caption_reader, contrary):
    taken_back = [caption_reader.version]
    found = run(world, caption_reader, contrary, ["gate", "metrics"], taken_back=taken_back)
    decision, report = found["gate"]["topic"], found["metrics"]["topic"]
    assert (decision["decision"], decision["effect"]) == ("keep", 1)
    assert "people or a rollout decided against this one" in decision["reasons"][0]
    assert (report["model_version"], report["challenger"]["model_version"]) == (
        contrary.version,
        caption_reader.version,
    )
    alone = run(world, caption_reader, None, ["gate"], taken_back=taken_back)["gate"]["topic"]
    assert (alone["decision"], alone["champion"]) == ("keep", None)


def test_a_champion_of_other_classes_that_people_gave_back_is_served_but_not_measured(world, caption_reader):
    champion = replace(caption_reader, classes=("cooking", "travel"))
    found = run(world, caption_reader, champion, taken_back=[caption_reader.version])
    assert set(found["predictions"]["model_version"]) == {champion.version}
    report = found["metrics"]["topic"]
    assert (report["model_version"], report["served"]) == (caption_reader.version, False)


def test_a_champion_that_was_not_trained_again_is_predicted_with(world, caption_reader):
    found = run(world, None, caption_reader)
    assert len(found["predictions"]) == 24
    assert (found["metrics"], found["gate"]) == ({}, {})


def test_a_model_that_knows_nothing_is_said_to_be_no_better_than_the_majority(world, caption_reader, contrary, caplog):
    known = run(world, caption_reader, outputs=["metrics"])["metrics"]["topic"]["skill"]
    assert (known["n"], known["accuracy_gain"]) == (8, 0.5)
    assert "majority" not in [line for line in caplog.messages if "no better" in line]
    report = run(world, contrary, outputs=["metrics"])["metrics"]["topic"]["skill"]
    assert not report["better"]
    assert "topic: The model is no better than the majority on 8 test clips (accuracy -0.500" in caplog.text


def test_what_the_family_was_chosen_from_stands_beside_the_numbers(world, caption_reader):
    rows = ({"family": "majority", "loss": 1.1, "chosen": False}, {"family": "fusion", "loss": 0.4, "chosen": True})
    report = run(world, replace(caption_reader, candidates=rows), outputs=["metrics"])["metrics"]["topic"]
    assert report["candidates"] == list(rows)


def test_clips_that_were_learned_from_are_measured_by_what_was_said_before(world, caption_reader):
    learned = world.clips["split"] != "test"
    keys = tuple(sorted(set(content_keys(world.clips[learned]))))
    doubt = replace(caption_reader, learned_from=keys, cross_fitted=np.zeros((len(keys), 2), dtype=np.float32))
    found = run(world, doubt, outputs=["predictions", "metrics"])
    report = found["metrics"]["topic"]
    assert report["train"]["log_loss"] < report["cross_fitted"]["log_loss"] == pytest.approx(np.log(2))
    assert report["cross_fitted"]["n"] == report["train"]["n"] + report["validation"]["n"] == 16
    served = found["predictions"].loc[found["predictions"]["split"] != "test", "probability"]
    assert (served > 0.6).any(), "what is served is not changed"


def test_clips_to_test_on_that_the_challenger_learns_from_are_answered_by_models_that_have_not_seen_them(
    world, caption_reader, contrary
):
    learnable = world.clips[world.clips["split"] != "test"].reset_index(drop=True)
    fresh, keys = frozenset(learnable["clip_id"][:6]), content_keys(learnable)
    logits = np.tile(np.array([3.0, -3.0], dtype=np.float32), (len(keys), 1))
    learned = tuple(sorted(keys))
    logits[learned.index(keys[1])] = np.nan  # nobody was asked about it
    challenger = replace(caption_reader, learned_from=learned, cross_fitted=logits)
    champion = replace(contrary, learned_from=(keys[0],))
    judged = join_truth(world.clips, world.labels, table([], ANNOTATIONS), {"topic": challenger})["topic"]
    contest = contest_of(challenger, champion, judged, world.store, Drawn(fresh, fresh))
    used = learnable["clip_id"][2:6].tolist()
    assert contest.clips["clip_id"].tolist() == [*judged.clips["test"]["clip_id"], *used]
    assert (contest.cross_fitted, len(contest.places), len(contest.keys)) == (4, 8, 12)
    assert contest.fresh.tolist() == [False] * 8 + [True] * 4
    assert contest.answers.decided[8:].tolist() == [[True, False]] * 4, "not what it says having learned from them"
    assert contest.answers.correct()[:8].all()
    assert not contest.opposed.correct()[:8].any()
    before = contest_of(challenger, champion, judged, world.store, Drawn(frozenset(used[3:]), fresh))
    assert before.fresh.tolist() == [False] * 11 + [True], "those of earlier iterations count, too"
    news = [Drawn(asked=frozenset(used)), Drawn(asked=frozenset(learnable["clip_id"][:1])), Drawn()]
    newer = [contest_of(challenger, champion, judged, world.store, one).newer for one in news]
    assert newer == [True, False, False], "the champion knows the only clip that was asked about, or none was"
    assert len(np.unique(contest.opposed.decided[8:], axis=0)) == 2, "the champion answers itself"


def test_thresholds_of_several_classes_see_no_label_that_they_are_tested_by(world, caption_reader):
    """Of the other clips 0.3 divides those of a class from those without; with the fresh ones, 0.6 would."""
    rng = np.random.default_rng(0)
    size, fresh = 120, 40
    truth = np.arange(size) % 2 == 0
    chances = np.where(truth, 0.45, 0.15) + rng.uniform(-0.05, 0.05, size)
    chances[:fresh] = np.where(truth[:fresh], 0.75, 0.5)
    keys = [f"{number:04}" for number in range(size)]
    clips = pd.DataFrame({"clip_id": keys, "media_sha256": "", "text_sha256": keys, "split": "train"})
    clips["label"] = np.where(truth, "cooking", "")
    clips["group"] = keys
    logits = np.c_[np.log(chances / (1 - chances)), np.full(size, -5.0)].astype(np.float32)
    several = replace(caption_reader, kind=Kind.MULTI, thresholds={"cooking": 0.6, "sport": 0.5}, temperature=1.0)
    model = replace(several, learned_from=tuple(content_keys(clips)), cross_fitted=logits)
    empty, capability = clips.iloc[:0], Capability(kind=Kind.MULTI, classes=model.classes)
    judged = Judged(capability, {"train": clips, "validation": empty, "test": empty})
    blind = _blind_to(clips.iloc[:fresh], model, judged)
    assert 0.2 <= blind.thresholds["cooking"] <= 0.4
    one_unit = clips.assign(group="copies of each other")
    alike = Judged(capability, judged.clips | {"train": one_unit})
    assert _blind_to(one_unit.iloc[:fresh], model, alike).thresholds["cooking"] == 0.5, "nor of a copy of these clips"
    assert _blind_to(empty, model, judged) is model


def test_without_a_champion_or_cross_fitted_answers_only_test_clips_are_tested_on(world, caption_reader, contrary):
    learnable = world.clips[world.clips["split"] != "test"]
    fresh, keys = frozenset(learnable["clip_id"]), tuple(sorted(content_keys(learnable)))
    crossed = replace(caption_reader, learned_from=keys, cross_fitted=np.zeros((len(keys), 2), dtype=np.float32))
    judged = join_truth(world.clips, world.labels, table([], ANNOTATIONS), {"topic": crossed})["topic"]
    for challenger, champion in ((crossed, None), (replace(crossed, cross_fitted=None), contrary), (crossed, crossed)):
        contest = contest_of(challenger, champion, judged, world.store, Drawn(fresh, fresh))
        assert (len(contest.clips), contest.cross_fitted) == (8, 0)


def test_the_gate_says_which_clips_the_challenger_learned_from(world, caption_reader, contrary):
    learnable = world.clips[world.clips["split"] != "test"]
    keys = tuple(sorted(content_keys(learnable)))
    challenger = replace(caption_reader, learned_from=keys, cross_fitted=np.zeros((len(keys), 2), dtype=np.float32))
    requests = [LabelRequest("0001", name, Purpose.TEST) for name in learnable["clip_id"]]
    decision = run(world, challenger, contrary, outputs=["gate"], requests=requests)["gate"]["topic"]
    assert decision["fresh"]["clips"] == len(learnable) == 16
    assert "it learned from 16 of these: models answered for it that had not seen their creators" in decision["reasons"]


def test_test_clips_that_a_model_learned_from_are_left_out_and_counted(world, caption_reader, contrary):
    keys = content_keys(world.clips[world.clips["split"] == "test"]).tolist()
    decision = decide(world, caption_reader, replace(contrary, learned_from=tuple(sorted(keys[:2]))))
    assert (decision["decision"], decision["p_value"]) == ("promote", pytest.approx(0.5**6))
    assert "on 6 test clips" in decision["reasons"][0]
    assert any(reason.startswith("2 labelled test clips are left out") for reason in decision["reasons"])
    decision = decide(world, replace(caption_reader, learned_from=tuple(sorted(keys))), None)
    assert (decision["decision"], decision["p_value"]) == ("keep", None)
    assert decision["reasons"] == [
        "all 8 labelled test clips are ones that a model learned from, so they say nothing of it"
    ]


def test_a_second_run_reads_the_account_and_spends_nothing(world, caption_reader, contrary):
    first = run(world, caption_reader, contrary, ["gate", "gate_tests"])
    again = run(world, caption_reader, contrary, ["gate", "gate_tests"], earlier=first["gate_tests"])
    assert (len(first["gate_tests"]), again["gate_tests"]) == (1, [])
    assert again["gate"]["topic"]["alpha"] == first["gate"]["topic"]["alpha"]
    other = run(world, replace(caption_reader, temperature=2.0), contrary, ["gate"], earlier=first["gate_tests"])
    assert other["gate"]["topic"]["alpha"] == pytest.approx(0.0075)


def test_what_modalities_add_and_the_mistakes_stand_beside_the_numbers(world, caption_reader, contrary):
    found = run(world, caption_reader, outputs=["insights"])["insights"]["topic"]
    parts = {one["modality"]: (one["accuracy_without"], one["part"]) for one in found["modalities"]}
    assert parts == {"caption": (0.5, 0.5), "frames": (1.0, 0.0)}
    assert (found["model_version"], found["errors"], found["learning_curve"]) == (caption_reader.version, [], None)
    assert "models of family fusion are not fitted again" in found["why_no_curve"]
    wrong = run(world, contrary, outputs=["insights"])["insights"]["topic"]["errors"]
    assert {one["clip_id"] for one in wrong} == {f"c{row}" for row in range(16, 24)}
    assert all(one["decided"] != one["truth"] for one in wrong)
    assert [one["probability"] for one in wrong] == sorted((one["probability"] for one in wrong), reverse=True)


def test_without_labelled_test_clips_there_are_no_parts_and_no_mistakes(world, caption_reader):
    found = run(world.relabel("test", source="llm"), caption_reader, outputs=["insights"])["insights"]["topic"]
    assert (found["modalities"], found["errors"]) == ([], [])

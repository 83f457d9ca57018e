import json
from dataclasses import replace

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.sources.champions import annotate_by_champions
from cu_pipeline.labeling.sources.eligibility import Ineligible
from cu_pipeline.labeling.sources.source import sources_say
from cu_pipeline.models.bundle import content_keys

TOPIC = {"topic": Capability(classes=("cooking", "sport"))}


def test_a_champion_labels_only_new_clips_with_features(world, caption_reader) -> None:
    seen, new, bare = world.clips.iloc[:10], world.clips.iloc[10:20], world.clips.iloc[20:]
    world.store_features(world.clips.iloc[:20])
    learned = replace(caption_reader, learned_from=tuple(sorted(content_keys(seen))))
    found, _ = annotate_by_champions(lambda _: world.clips, {"topic": learned}, world.store, TOPIC, 0.001)
    assert found["clip_id"].tolist() == new["clip_id"].tolist()
    assert found["label"].tolist() == [TOPIC["topic"].classes[int(clip[1:]) % 2] for clip in new["clip_id"]]
    assert set(found["version"]) == {learned.version}
    assert set(found["kind"]) == {"model"}
    assert set(found["price"]) == {0.001}
    assert not found["clip_id"].isin(bare["clip_id"]).any()


def test_a_champion_that_does_not_tell_what_it_learned_from_is_not_asked(world, caption_reader) -> None:
    world.store_features(world.clips)
    assert annotate_by_champions(lambda _: world.clips, {"topic": caption_reader}, world.store, TOPIC, 0.0)[0].empty
    learned = replace(caption_reader, learned_from=("0",))
    other = {"topic": Capability(classes=("cooking", "news"))}
    assert annotate_by_champions(lambda _: world.clips, {"topic": learned}, world.store, other, 0.0)[0].empty
    assert annotate_by_champions(lambda _: world.clips, {}, world.store, TOPIC, 0.0)[0].empty


def test_a_champion_tells_which_clips_prove_nothing_of_others(world, caption_reader) -> None:
    """Those that it learned from or would have, had they had a label; and those that it cannot read."""
    world.store_features(world.clips.iloc[:22])
    clips = world.clips.assign(split=["train"] * 20 + ["test"] * 4)
    learned, bare = (tuple(sorted(content_keys(clips.iloc[one]))) for one in (slice(6), slice(6, 9)))

    def passed(**known: tuple[str, ...] | None) -> dict[str, list[str]]:
        champion = replace(caption_reader, learned_from=learned, **known)
        said, found = annotate_by_champions(lambda _: clips, {"topic": champion}, world.store, TOPIC, 0.0)
        assert said["clip_id"].tolist() == clips["clip_id"][6:22].tolist()
        return {reason: found.loc[found["reason"] == reason, "clip_id"].tolist() for reason in set(found["reason"])}

    ids = clips["clip_id"].tolist()
    assert passed(unlabelled=bare) == {Ineligible.LEARNED: ids[:9], Ineligible.FEATURES: ids[22:]}
    assert passed(unlabelled=()) == {Ineligible.LEARNED: ids[:6], Ineligible.FEATURES: ids[22:]}
    assert passed(unlabelled=None) == {Ineligible.LEARNED: ids[:20], Ineligible.FEATURES: ids[22:]}


def test_a_champion_decides_by_its_own_thresholds_and_its_label_stays(world, caption_reader) -> None:
    """As the service does with the same model; who adds its label up with those of others does not decide again."""
    world.store_features(world.clips)
    several = {"topic": Capability(kind=Kind.MULTI, classes=("cooking", "sport"))}
    strict = {"cooking": 0.99, "sport": 0.9}
    champion = replace(caption_reader, kind=Kind.MULTI, thresholds=strict, learned_from=("0",))
    found, _ = annotate_by_champions(lambda _: world.clips, {"topic": champion}, world.store, several, 0.0)
    chances = [json.loads(text) for text in found["probabilities"]]
    loose, _ = annotate_by_champions(
        lambda _: world.clips, {"topic": replace(champion, thresholds={})}, world.store, several, 0.0
    )
    expected = ["|".join(name for name, p in one.items() if p > strict[name]) or "none" for one in chances]
    assert found["label"].tolist() == expected
    (source,) = sources_say(found, pd.Index(found["clip_id"]), several["topic"])
    assert source.answers.tolist() == expected
    assert source.confidence == pytest.approx(found["probability"], abs=1e-5)
    assert set(expected) == {"none", "sport"}
    assert set(loose["label"]) >= {"cooking", "sport"}


def test_a_champion_that_would_abstain_speaks_as_a_source_of_labels(world, caption_reader) -> None:
    """How sure a source must be is for the guarantee to say."""
    world.store_features(world.clips)
    topic = {"topic": caption_reader.answers}
    champion = replace(caption_reader, learned_from=("0",))
    silent = replace(champion, thresholds=dict.fromkeys(champion.classes, 1.0))
    found, other = (
        annotate_by_champions(lambda _: world.clips, {"topic": one}, world.store, topic, 0.0)[0]
        for one in (champion, silent)
    )
    assert other["label"].tolist() == found["label"].tolist()
    assert "abstain" not in set(found["label"])
    assert other["probability"].tolist() == found["probability"].tolist()

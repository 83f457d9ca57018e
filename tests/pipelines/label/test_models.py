from dataclasses import replace
from pathlib import Path

from cu_pipeline.core.capability import Capability
from cu_pipeline.features.batch import read_features
from cu_pipeline.inference.score import Scorer
from cu_pipeline.labeling.sources.eligibility import Ineligible
from cu_pipeline.labeling.sources.models import annotate_by_champions
from cu_pipeline.modeling.bundle import content_keys

TOPIC = {"topic": Capability(classes=("cooking", "sport"))}


def _annotate(world, clips, folder: Path, capabilities, price: float = 0.0):
    def predict(bundle, rows, extractors):
        return Scorer(bundle).probabilities(read_features(rows, world.store, extractors))

    return annotate_by_champions(clips, folder, world.store, capabilities, predict, price)


def test_a_champion_labels_only_new_clips_with_features(world, caption_reader, tmp_path: Path) -> None:
    seen, new, bare = world.clips.iloc[:10], world.clips.iloc[10:20], world.clips.iloc[20:]
    world.store_features(world.clips.iloc[:20])
    learned = replace(caption_reader, learned_from=tuple(sorted(content_keys(seen))))
    learned.save(tmp_path / "champions" / "topic")
    found, _ = _annotate(world, world.clips, tmp_path / "champions", TOPIC, 0.001)
    assert found["clip_id"].tolist() == new["clip_id"].tolist()
    assert found["label"].tolist() == [TOPIC["topic"].classes[int(clip[1:]) % 2] for clip in new["clip_id"]]
    assert set(found["version"]) == {learned.version}
    assert set(found["kind"]) == {"model"}
    assert set(found["price"]) == {0.001}
    assert not found["clip_id"].isin(bare["clip_id"]).any()


def test_a_champion_that_does_not_tell_what_it_learned_from_is_not_asked(world, caption_reader, tmp_path: Path) -> None:
    world.store_features(world.clips)
    caption_reader.save(tmp_path / "champions" / "topic")
    assert _annotate(world, world.clips, tmp_path / "champions", TOPIC)[0].empty
    learned = replace(caption_reader, learned_from=("0",))
    learned.save(tmp_path / "champions" / "topic")
    other = {"topic": Capability(classes=("cooking", "news"))}
    assert _annotate(world, world.clips, tmp_path / "champions", other)[0].empty
    assert _annotate(world, world.clips, tmp_path / "absent", TOPIC)[0].empty


def test_a_champion_tells_which_clips_prove_nothing_of_others(world, caption_reader, tmp_path: Path) -> None:
    """Those that it learned from or would have, had they had a label; and those that it cannot read."""
    world.store_features(world.clips.iloc[:22])
    clips = world.clips.assign(split=["train"] * 20 + ["test"] * 4)
    learned, bare = (tuple(sorted(content_keys(clips.iloc[one]))) for one in (slice(6), slice(6, 9)))

    def passed(**known: tuple[str, ...] | None) -> dict[str, list[str]]:
        replace(caption_reader, learned_from=learned, **known).save(tmp_path / "champions" / "topic")
        said, found = _annotate(world, clips, tmp_path / "champions", TOPIC)
        assert said["clip_id"].tolist() == clips["clip_id"][6:22].tolist()
        return {reason: found.loc[found["reason"] == reason, "clip_id"].tolist() for reason in set(found["reason"])}

    ids = clips["clip_id"].tolist()
    assert passed(unlabelled=bare) == {Ineligible.LEARNED: ids[:9], Ineligible.FEATURES: ids[22:]}
    assert passed(unlabelled=()) == {Ineligible.LEARNED: ids[:6], Ineligible.FEATURES: ids[22:]}
    assert passed(unlabelled=None) == {Ineligible.LEARNED: ids[:20], Ineligible.FEATURES: ids[22:]}

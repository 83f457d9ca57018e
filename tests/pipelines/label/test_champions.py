from dataclasses import replace
from pathlib import Path

from cu_pipeline.core.capability import Capability
from cu_pipeline.modeling.bundle import content_keys
from cu_pipeline.pipelines.label.champions import annotate_by_champions

TOPIC = {"topic": Capability(classes=("cooking", "sport"))}


def test_a_champion_labels_only_new_clips_with_features(world, caption_reader, tmp_path: Path) -> None:
    seen, new, bare = world.clips.iloc[:10], world.clips.iloc[10:20], world.clips.iloc[20:]
    world.store_features(world.clips.iloc[:20])
    learned = replace(caption_reader, learned_from=tuple(sorted(content_keys(seen))))
    learned.save(tmp_path / "champions" / "topic")
    found = annotate_by_champions(world.clips, tmp_path / "champions", world.store, TOPIC, 0.001)
    assert found["clip_id"].tolist() == new["clip_id"].tolist()
    assert found["label"].tolist() == [TOPIC["topic"].classes[int(clip[1:]) % 2] for clip in new["clip_id"]]
    assert set(found["version"]) == {learned.version}
    assert set(found["kind"]) == {"model"}
    assert set(found["price"]) == {0.001}
    assert not found["clip_id"].isin(bare["clip_id"]).any()


def test_a_champion_that_does_not_tell_what_it_learned_from_is_not_asked(world, caption_reader, tmp_path: Path) -> None:
    world.store_features(world.clips)
    caption_reader.save(tmp_path / "champions" / "topic")
    assert annotate_by_champions(world.clips, tmp_path / "champions", world.store, TOPIC, 0.0).empty
    learned = replace(caption_reader, learned_from=("0",))
    learned.save(tmp_path / "champions" / "topic")
    other = {"topic": Capability(classes=("cooking", "news"))}
    assert annotate_by_champions(world.clips, tmp_path / "champions", world.store, other, 0.0).empty
    assert annotate_by_champions(world.clips, tmp_path / "absent", world.store, TOPIC, 0.0).empty

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.copies import originals, without_copies
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.options import PeopleOptions


def _clips(contents: dict[str, tuple[str, str]]) -> pd.DataFrame:
    rows = [
        {"clip_id": name, "media_sha256": media, "text_sha256": text, "has_audio": False, "bytes": 0}
        for name, (media, text) in contents.items()
    ]
    return table(rows, CLIPS)


def test_a_copy_has_the_same_media_and_the_same_caption() -> None:
    clips = _clips({"c": ("m", "t"), "a": ("m", "t"), "b": ("m", "u"), "d": ("", "t"), "e": ("", "t"), "f": ("", "")})
    assert originals(clips).to_dict() == {"c": "a", "a": "a", "b": "b", "d": "d", "e": "d", "f": "f"}
    assert without_copies(clips)["clip_id"].tolist() == ["a", "b", "d", "f"]
    assert originals(_clips({})).empty


def test_a_persons_label_of_one_copy_counts_for_all_and_is_paid_once(votes) -> None:
    clips = _clips({"a": ("m", "t"), "b": ("m", "t"), "c": ("n", "t")})
    topic = ResolvedCapabilities({"topic": Capability(classes=("x", "y"))})
    said = votes(("b", "ann", "y")).assign(price=0.04)
    opinions = Opinions(clips, topic, said, table([], CALIBRATION), GuaranteeOptions(), 0.04)
    labels = aggregate(opinions, {}, PeopleOptions())
    assert labels[["clip_id", "label", "source"]].to_numpy().tolist() == [["a", "y", "human"], ["b", "y", "human"]]
    assert labels["price"].tolist() == [0.0, 0.04]

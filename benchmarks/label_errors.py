"""People's labels that are most likely wrong: ours beside cleanlab's, on planted errors and on real votes.

cleanlab's `get_label_quality_multiannotator` (CROWDLAB) is made for several people's votes with a classifier's
probabilities. Both get the same votes and the same out-of-fold probabilities, and rank labels by how likely these are
right: the majority's, and for cleanlab also those that it makes itself of votes and classifier. cleanlab breaks ties of
the majority by the classifier, ours lists them. So the first two are compared on the clips to which both give the same
label. A row says how many of the ten listed first are wrong, how well wrong labels are told from right ones (area under
the ROC curve), and how many of all labels are right.

    pip install cleanlab
    python benchmarks/label_errors.py [manifest.csv of HS-Brexit]

Then errors are planted in the feed's own labels of HS-Brexit, of which a tenth are of the rare class: at the same rate
in each class, or as many of each. Told are the wrong among the 20 listed first, and the share of the rare class there.

On the generated feed annotators err at known rates. Of the six annotators of HS-Brexit two, drawn anew for each seed,
are shown, and the majority of all six is taken to be right.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.label_errors import suspect_labels
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions
from cu_pipeline.labeling.people.other_captions import Captions, OtherCaptions, Questions
from cu_pipeline.labeling.people.votes import Opinion
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import SampleOptions

TOPICS = ("construction", "cooking", "demolition", "football", "gaming", "pets")
FIRST = 10
Votes = dict[str, list[tuple[str, str]]]
Found = tuple[dict[str, str], dict[str, float]]


def main(manifest: Path | None) -> None:
    """Print a table: each line is a corpus, means over seeds."""
    print(f"{'corpus':26}{'':26}{'wrong of 10':>12}{'AUC':>8}{'right':>8}")
    corpora = [("generated, 240 clips", 6, lambda seed: generated(240, seed), TOPICS)]
    corpora.append(("generated, 1,000 clips", 2, lambda seed: generated(1000, seed), TOPICS))
    if manifest:
        corpora.append(("HS-Brexit, 2 of 6 people", 4, lambda seed: brexit(manifest, seed), ("0", "1")))
    for name, seeds, build, classes in corpora:
        rows = [compare(*build(seed), Capability(classes=classes), seed) for seed in range(seeds)]
        for place, method in enumerate(("ours", "cleanlab", "cleanlab, its own labels")):
            wrong, area, right = np.mean([row[place] for row in rows], axis=0)
            print(f"{name:26}{method:26}{wrong:12.1f}{area:8.3f}{right:8.3f}", flush=True)
    if manifest:
        planted(manifest)


def planted(manifest: Path, seeds: int = 3) -> None:
    """Print how many of 20 are wrong and how many are of the rare class, ours beside cleanlab's, on planted errors."""
    from cleanlab.filter import find_label_issues

    feed = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    texts = dict(zip(feed["clip_id"], feed["text"], strict=True))
    truth, capability = feed["label"].astype(int).to_numpy(), Capability(classes=("0", "1"))
    print(f"{'planted':12}{'':12}{'wrong of 20':>12}{'rare of 20':>12}")
    for kind in ("at one rate", "as many"):
        rows: dict[str, list[tuple[int, int]]] = {"ours": [], "cleanlab": []}
        for seed in range(seeds):
            given = np.where(errors(truth, kind, seed), 1 - truth, truth)
            gold = {clip: [("label", str(label))] for clip, label in zip(texts, given, strict=True)}
            place = {clip: row for row, clip in enumerate(texts)}
            _, scores = ours(texts, votes_table(gold), capability, seed)
            told = out_of_fold(list(texts.values()), np.eye(2)[given], capability, 5, seed)
            listed = {
                "ours": [place[clip] for clip in list(scores)[:20]],
                "cleanlab": list(find_label_issues(given, told, return_indices_ranked_by="self_confidence")[:20]),
            }
            for method, found in listed.items():
                rows[method].append((int((given != truth)[found].sum()), int(given[found].sum())))
        for method, counts in rows.items():
            wrong, rare = np.mean(counts, axis=0)
            print(f"{kind:12}{method:12}{wrong:12.1f}{rare:12.1f}", flush=True)


def out_of_fold(texts: list[str], given: np.ndarray, capability: Capability, folds: int, seed: int) -> np.ndarray:
    """Predict class probabilities, (n, classes), by other clips' captions and labels."""
    opinion = Opinion(given, np.arange(len(given), dtype=np.int32), np.ones(len(given), dtype=np.int64))
    return OtherCaptions(Captions.of(texts), Questions(opinion, capability), folds, seed).of(np.arange(len(texts)))


def errors(truth: np.ndarray, kind: str, seed: int, rate: float = 0.05) -> np.ndarray:
    """Choose the labels to be turned over: at one rate, or as many of each class, (n,)."""
    random = np.random.default_rng(seed)
    if kind == "at one rate":
        return random.random(len(truth)) < rate
    turned = np.zeros(len(truth), dtype=bool)
    for one in (0, 1):
        turned[random.permutation(np.flatnonzero(truth == one))[: round(rate * len(truth) / 2)]] = True
    return turned


def generated(clips: int, seed: int) -> tuple[dict[str, str], Votes, dict[str, str]]:
    """Plan the sample world: captions, votes and right topics of its clips."""
    world = SampleOptions(clips=clips, seed=seed, unlabelled=0.2, gold=0.1)
    plans = [one for one in plan_world(world) if not one.expected_reason]
    plans = [one for one in plans if one.annotations]
    votes = {one.clip_id: list(one.annotations) for one in plans}
    return {one.clip_id: one.text for one in plans}, votes, {one.clip_id: one.topic for one in plans}


def brexit(manifest: Path, seed: int) -> tuple[dict[str, str], Votes, dict[str, str]]:
    """Read captions, votes of two people, and the majority of all six; even votes are left out."""
    rows = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    given = [json.loads(text) for text in rows["annotations"]]
    ones = np.array([list(one.values()).count("1") / len(one) for one in given])
    kept = np.flatnonzero(ones != 0.5)
    shown = np.random.default_rng(seed).permutation(sorted(given[0]))[:2]
    names = rows["clip_id"]
    votes = {names[row]: [(who, given[row][who]) for who in shown] for row in kept}
    return (
        {names[row]: rows["text"][row] for row in kept},
        votes,
        {names[row]: str(int(ones[row] > 0.5)) for row in kept},
    )


def compare(
    texts: dict[str, str], votes: Votes, truth: dict[str, str], capability: Capability, seed: int
) -> list[tuple[float, float, float]]:
    """Score both on one corpus."""
    annotations = votes_table(votes)
    mine = ours(texts, annotations, capability, seed)
    majority, own = cleanlabs(texts, annotations, capability, seed)
    common = {clip for clip, label in mine[0].items() if majority[0][clip] == label}
    return [scored(mine, truth, common), scored(majority, truth, common), scored(own, truth, set(texts))]


def votes_table(votes: Votes) -> pd.DataFrame:
    """Write votes as annotations of the topic."""
    rows = [
        {"clip_id": clip, "capability": "topic", "annotator": who, "kind": "human", "label": label}
        for clip, given in votes.items()
        for who, label in given
    ]
    return table(rows, ANNOTATIONS)


def ours(texts: dict[str, str], annotations: pd.DataFrame, capability: Capability, seed: int) -> Found:
    """Rank by the project's own search for label errors."""
    facts = [
        {"clip_id": clip, "text": text, "media_sha256": clip, "text_sha256": clip, "has_audio": False, "bytes": 0}
        for clip, text in texts.items()
    ]
    options = ErrorOptions(most=len(texts), doubtful=1.0)
    clips = table(facts, CLIPS)
    found = suspect_labels(clips, annotations, {"topic": capability}, PeopleOptions(), options, seed)["topic"]
    return (
        {one["clip_id"]: one["label"] for one in found["suspects"]},
        {one["clip_id"]: one["score"] for one in found["suspects"]},
    )


def cleanlabs(texts: dict[str, str], annotations: pd.DataFrame, capability: Capability, seed: int) -> list[Found]:
    """Rank by CROWDLAB's consensus quality: the labels of the majority, and cleanlab's own."""
    from cleanlab.multiannotator import get_label_quality_multiannotator

    clips = pd.Index(sorted(texts))
    given = people_say(annotations, clips, capability, PeopleOptions()).probabilities
    told = out_of_fold([texts[clip] for clip in clips], given, capability, ErrorOptions().folds, seed)
    coded = annotations.assign(label=annotations["label"].map({one: n for n, one in enumerate(capability.classes)}))
    wide = coded.pivot_table(index="clip_id", columns="annotator", values="label", aggfunc="last").reindex(clips)
    found = []
    for method in ("majority_vote", "best_quality"):
        result = get_label_quality_multiannotator(
            wide.reset_index(drop=True), told, consensus_method=method, verbose=False
        )["label_quality"]
        labels = [capability.classes[int(one)] for one in result["consensus_label"]]
        quality = result["consensus_quality_score"].tolist()
        ranked = sorted(zip(clips, quality, strict=True), key=lambda one: (one[1], one[0]))
        found.append((dict(zip(clips, labels, strict=True)), dict(ranked)))
    return found


def scored(found: Found, truth: dict[str, str], compared: set[str]) -> tuple[float, float, float]:
    """Count the wrong among the ten listed first, the area under the ROC curve, and the share of right labels.

    Ours come in the order of the list, in which labels take turns.
    """
    labels, scores = found
    wrong = {clip: labels[clip] != truth[clip] for clip in labels}
    order = [clip for clip in scores if clip in compared]
    area = roc_auc_score([wrong[clip] for clip in order], [-scores[clip] for clip in order])
    right = 1 - float(np.mean(list(wrong.values())))
    return float(sum(wrong[clip] for clip in order[:FIRST])), float(area), right


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

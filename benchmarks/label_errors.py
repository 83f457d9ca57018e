"""People's labels that are most likely wrong: ours beside cleanlab's, on planted errors and on real votes.

cleanlab's `get_label_quality_multiannotator` (CROWDLAB) is made for several people's votes with a classifier's
probabilities. Both get the same votes and the same out-of-fold probabilities, and rank labels by how likely these are
right: the majority's, and for cleanlab also those that it makes itself of votes and classifier. cleanlab breaks ties of
the majority by the classifier, ours lists them. So the first two are compared on the clips to which both give the same
label. A row says how many of the ten listed first are wrong, how well wrong labels are told from right ones (area under
the ROC curve), and how many of all labels are right.

    pip install cleanlab
    python benchmarks/label_errors.py [manifest.csv of HS-Brexit]

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
from cu_pipeline.labeling.people.label_errors import caption_probabilities, suspect_labels
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions
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


def generated(clips: int, seed: int) -> tuple[dict[str, str], Votes, dict[str, str]]:
    """Plan the sample world: captions, votes and right topics of its clips."""
    plans = [one for one in plan_world(SampleOptions(clips=clips, seed=seed)) if not one.expected_reason]
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
    rows = [
        {"clip_id": clip, "capability": "topic", "annotator": who, "kind": "human", "label": label}
        for clip, given in votes.items()
        for who, label in given
    ]
    annotations = table(rows, ANNOTATIONS)
    mine = ours(texts, annotations, capability, seed)
    majority, own = cleanlabs(texts, annotations, capability, seed)
    common = {clip for clip, label in mine[0].items() if majority[0][clip] == label}
    return [scored(mine, truth, common), scored(majority, truth, common), scored(own, truth, set(texts))]


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
    told = caption_probabilities([texts[clip] for clip in clips], given, capability, ErrorOptions().folds, seed)
    coded = annotations.assign(label=annotations["label"].map({one: n for n, one in enumerate(capability.classes)}))
    wide = coded.pivot_table(index="clip_id", columns="annotator", values="label", aggfunc="last").reindex(clips)
    found = []
    for method in ("majority_vote", "best_quality"):
        result = get_label_quality_multiannotator(
            wide.reset_index(drop=True), told, consensus_method=method, verbose=False
        )["label_quality"]
        labels = [capability.classes[int(one)] for one in result["consensus_label"]]
        quality = result["consensus_quality_score"].tolist()
        found.append((dict(zip(clips, labels, strict=True)), dict(zip(clips, quality, strict=True))))
    return found


def scored(found: Found, truth: dict[str, str], compared: set[str]) -> tuple[float, float, float]:
    """Count the wrong among the ten listed first, the area under the ROC curve, and the share of right labels."""
    labels, scores = found
    wrong = {clip: labels[clip] != truth[clip] for clip in labels}
    order = sorted(compared, key=lambda clip: (scores[clip], clip))
    area = roc_auc_score([wrong[clip] for clip in order], [-scores[clip] for clip in order])
    right = 1 - float(np.mean(list(wrong.values())))
    return float(sum(wrong[clip] for clip in order[:FIRST])), float(area), right


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

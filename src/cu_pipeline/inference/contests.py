"""Bring a challenger and the champion before the gate, each by its own features, on the same test clips."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind, indicators, split_label
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.records import Split
from cu_pipeline.core.scope import Scope
from cu_pipeline.evaluation.contest import Contest, unread_told
from cu_pipeline.evaluation.judged import Judged
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.features.clip_features import has_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.predictions_table import cross_fitted_answers, predict_table
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.probabilities import logits_to_probabilities, thresholds

_UNMEASURED = "no clip of the test split has a label by people, so the model cannot be measured"
_LEARNED = "all {} labelled test clips are ones that a model learned from, so they say nothing of it"
_NO_FEATURES = "no test clip is left that both models can be asked about: {}"


@dataclass(frozen=True)
class Drawn:
    """Ids of clips of what the service saw that the loop asked people about.

    Attributes:
        last: drawn at random to test on by the last iteration.
        ever: by any.
        asked: that the last iteration asked about, to test on or to learn from.
    """

    last: frozenset[str] = frozenset()
    ever: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()


def contest_of(
    challenger: Bundle, champion: Bundle | None, judged: Judged, store: FeatureStore, drawn: Drawn = Drawn()
) -> Contest:
    """Ask both models about the labelled test clips that neither has learned from.

    Beside a champion, clips that iterations drew to test on count, too, where the challenger learned from them and the
    champion did not: of these models answer for it that were fit in the same way without the clips' units
    (cross-validation). With fewer clips to learn from they are a little worse than the challenger, not better.

    A champion that knows fewer classes is compared, and wrong on the clips of the others. One that would answer by a
    class which the challenger has not, or that this installation cannot serve, is not: the challenger stands alone.

    Args:
        challenger: the trained model.
        champion: the served one; None: there is none.
        judged: the clips that people labelled.
        store: features of the clips.
        drawn: clips of what the service saw.
    """
    alone = _why_alone(challenger, champion)
    opponent = None if alone else champion
    same = champion is not None and champion.version == challenger.version
    learning = _told_unseen(challenger, opponent, judged, frozenset() if same else drawn.ever)
    test = judged.clips["test"]
    seen = _learned_from(judged, [] if same else [one for one in (challenger, opponent) if one is not None])
    compared = {} if opponent is None or same else {"challenger": challenger, "champion": opponent}
    lacking, lacking_too = (_lacking(clips, store, compared.values()) for clips in (test, learning))
    unread = dict(zip(compared, lacking[~seen].sum(axis=0) + lacking_too.sum(axis=0), strict=True))
    places = np.flatnonzero(~seen & ~lacking.any(axis=1))
    learning = learning.iloc[np.flatnonzero(~lacking_too.any(axis=1))]
    clips = pd.concat([test.iloc[places], learning]) if len(learning) else test.iloc[places]
    asked = Judged(judged.capability, {**judged.clips, "test": clips})
    obstacle = "" if len(clips) else _obstacle(len(test), int(seen.sum()), unread)
    told = not obstacle and not same
    added = {} if opponent is None else _added(challenger, opponent, clips)
    return Contest(
        capability=challenger.capability,
        challenger=challenger.version,
        champion=champion.version if champion else None,
        clips=clips,
        places=places,
        keys=tuple(content_keys(clips)) if len(clips) else (),
        shares=judged.shares,
        answers=_answers(challenger, asked, store, _blind_to(learning, challenger, judged)) if told else None,
        opposed=_answers(opponent, asked, store) if told and opponent is not None else None,
        alone=alone,
        obstacle=obstacle,
        learned=int(seen.sum()),
        fresh=clips["clip_id"].isin(drawn.last).to_numpy(dtype=bool) if drawn.last else None,
        cross_fitted=len(learning),
        newer=opponent is not None and _learned_more(challenger, opponent, judged, drawn.asked),
        retargeted=opponent is not None and challenger.decision != opponent.decision,
        purged=opponent is not None and opponent.erased > challenger.erased,
        added=added,
        named=tuple(one for one, number in added.items() if number or one in _taught(challenger, judged)),
        unread=unread,
        frugal=opponent is not None and challenger.inputs.keys() < opponent.inputs.keys(),
    )


def _told_unseen(challenger: Bundle, opponent: Bundle | None, judged: Judged, drawn: frozenset[str]) -> pd.DataFrame:
    """Labelled clips to test on that the challenger learned from, and tells what models without their units say of."""
    known = _learnable(judged)
    mine = known[known["clip_id"].isin(drawn)]
    if opponent is None or challenger.cross_fitted is None or mine.empty:
        return known.iloc[:0]
    rows = np.flatnonzero(np.isfinite(challenger.cross_fitted).all(axis=1))
    keys = content_keys(mine)
    return mine[keys.isin([challenger.learned_from[row] for row in rows]) & ~keys.isin(opponent.learned_from)]


def _learned_more(challenger: Bundle, opponent: Bundle, judged: Judged, asked: frozenset[str]) -> bool:
    """Whether the challenger learned from clips that the last iteration asked about, and the champion from none."""
    known = _learnable(judged)
    keys = set(content_keys(known[known["clip_id"].isin(asked)])) if asked else set()
    return bool(keys.intersection(challenger.learned_from)) and not keys.intersection(opponent.learned_from)


def _blind_to(clips: pd.DataFrame, model: Bundle, judged: Judged) -> Bundle:
    """The model with thresholds for several classes that clips which it learned from had no part in.

    They are set again on what models said of all clips of other units, none of which is a copy of these, that they had
    not seen; those that a `decision` asks for are bounds, not the best of many, and stay.
    """
    if clips.empty or model.kind is not Kind.MULTI or model.decision.is_set or model.cross_fitted is None:
        return model
    known = _learnable(judged)
    known = known[~known["group"].isin(clips["group"])]
    place = dict(zip(model.learned_from, range(len(model.learned_from)), strict=True))
    rows = np.array([place.get(key, -1) for key in content_keys(known)], dtype=np.int64)
    told = (rows >= 0) & np.isfinite(model.cross_fitted[rows]).all(axis=1)
    said = logits_to_probabilities(model.cross_fitted[rows[told]], model.kind, model.temperature)
    truth = indicators(known["label"], judged.capability)[told].astype(np.float32)
    return replace(model, thresholds=thresholds(said, truth, model.classes))


def _learnable(judged: Judged) -> pd.DataFrame:
    """The clips that people labelled and models may learn from."""
    return pd.concat([judged.clips[split.value] for split in (Split.TRAIN, Split.VALIDATION)])


def _added(challenger: Bundle, opponent: Bundle, clips: pd.DataFrame) -> dict[str, int]:
    """The classes that the champion does not know, and of how many clips people named them."""
    named = [split_label(label, challenger.kind) for label in clips["label"]]
    added = [name for name in challenger.classes if name not in opponent.classes]
    return {one: sum(one in names for names in named) for one in added}


def _taught(model: Bundle, judged: Judged) -> frozenset[str]:
    """The classes that people named for clips which a model learned from."""
    known = _learnable(judged)
    mine = known.loc[content_keys(known).isin(model.learned_from), "label"]
    return frozenset(name for label in mine.unique() for name in split_label(label, model.kind))


def _lacking(clips: pd.DataFrame, store: FeatureStore, models: Collection[Bundle]) -> NDArray[np.bool_]:
    """Of which clips features that each of some models reads are not stored: bool (n, models)."""
    found = np.zeros((len(clips), len(models)), dtype=bool)
    for place, one in enumerate(models):
        found[:, place] = ~has_features(clips, store, one.inputs)
    return found


def _why_alone(challenger: Bundle, champion: Bundle | None) -> str:
    if champion is None:
        return "there was no champion to compare it with"
    if champion.version == challenger.version:
        return ""
    if champion.kind is not challenger.kind:
        return (
            f"the kind changed from {champion.kind.value} to {challenger.kind.value}, so the champion answers otherwise"
        )
    if not champion.answers.answers_among(challenger.answers):
        return "the classes changed, so the champion can no longer answer"
    try:
        champion.extractors()
    except BundleError as error:
        return f"the champion cannot be served here: {error}"
    return ""


def _obstacle(labelled: int, learned: int, unread: Mapping[str, int]) -> str:
    """Say why no clip is left to test on."""
    if not labelled:
        return _UNMEASURED
    return _LEARNED.format(labelled) if learned == labelled else _NO_FEATURES.format("; ".join(unread_told(unread)))


def _learned_from(judged: Judged, models: list[Bundle]) -> NDArray[np.bool_]:
    """Which labelled test clips decided the weights of any of the models: bool (n)."""
    test = judged.clips["test"]
    learned = {key for model in models for key in model.learned_from}
    if test.empty or not learned:
        return np.zeros(len(test), dtype=bool)
    found: NDArray[np.bool_] = content_keys(test).isin(learned).to_numpy(dtype=bool)
    return found


def _answers(model: Bundle, asked: Judged, store: FeatureStore, blind: Bundle | None = None) -> ScoredClips:
    """What a model says of the clips that are asked, whatever its scope was when it was trained.

    Each counts by its likeliest class, whether or not it would give that for an answer. Of clips that it learned from
    models answer that have not seen them, by the thresholds of `blind`.
    """
    clips = asked.clips["test"]
    said = predict_table(clips, store, {model.capability: model.scoped(Scope())})
    unseen = cross_fitted_answers(said, clips, blind or model)
    said.loc[unseen.index] = unseen
    return asked.answers("test", said).always_answered()

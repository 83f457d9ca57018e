import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.extractor import shapes_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.models.families import TrainOptions, family
from cu_pipeline.models.fine_tuning_launch import fits_on
from cu_pipeline.models.training import TrainingData, affordable, fingerprint, training_data
from cu_pipeline.models.tuning import Search, open_study
from cu_pipeline.models.tuning_loss import CrossValidation, TuningTask
from cu_pipeline.models.tuning_plan import TuneOptions, TuningPlan
from cu_pipeline.models.tuning_results import Comparison, Trial, best_of, results_json
from cu_pipeline.tracking.tuned_parameters import TunedParameters

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedStudy:
    """All that trials are made with.

    Attributes:
        name: of the study.
        measure: what says how good parameters are.
        seed: of every random choice.
    """

    name: str
    measure: CrossValidation
    seed: int


def plan_tuning(options: TuneOptions, training: TrainOptions, stated: dict[str, str]) -> TuningPlan:
    """Check what is searched before anything is computed."""
    plan = TuningPlan.of(options, training)
    names = [(name, f"train.{plan.space.family}.{name}") for name in plan.space.dimensions]
    problems = [
        f"{stated[dotted]} states {dotted}, and Kedro takes a parameter from one file of a folder only: move that line "
        f"into parameters_tuned.yml beside it, which tuning writes, or leave {name} out of tune.space"
        for name, dotted in names
        if dotted in stated
    ]
    if problems:
        raise ConfigurationError(problems)
    return plan


def gather_tuning_data(
    clips: pd.DataFrame, labels: pd.DataFrame, resolved: ResolvedCapabilities, plan: TuningPlan
) -> dict[str, TrainingData]:
    """Find the clips outside the test split of the capabilities that are tuned for."""
    wanted = plan.options.capability
    if wanted is not None and wanted not in resolved.trained:
        why = resolved.waiting.get(wanted) or resolved.skipped.get(wanted) or "there is no such capability"
        raise ConfigurationError(f"tune.capability={wanted}: {why}. Allowed: {', '.join(resolved.trained) or 'none'}")
    if not resolved.trained:
        raise ConfigurationError("no capability can be trained, so none can be tuned: label clips first")
    found, problems = {}, []
    for name in [wanted] if wanted else resolved.trained:
        try:
            found[name] = training_data(name, resolved.trained[name], resolved.clips_of(name, clips), labels)
        except ConfigurationError as error:
            problems += error.problems
    return _usable(found, problems)


def prepare_study(
    data: dict[str, TrainingData], plan: TuningPlan, store: FeatureStore, extracted: FeatureOptions, seed: int
) -> PreparedStudy:
    """Read the features, divide the clips, and name the study by all that decides its trials."""
    extractors, learner = build_all(extracted), family(plan.space.family)
    inputs = {name: FeatureInput.of(extractors[name]) for name in learner.reads(shapes_of(extractors))}
    if not inputs:
        raise ConfigurationError(
            f"model family {plan.space.family!r} reads none of the features in use: add one in featurize.extractors"
        )
    if plan.training.threads:
        import torch

        torch.set_num_threads(plan.training.threads)
    data = {name: affordable(one, extractors, plan.anchored) for name, one in data.items()}
    tasks = {name: TuningTask.of(one, store, inputs) for name, one in data.items()}
    problems = {name: problem for name, one in tasks.items() if (problem := one.problem(plan.options.folds))}
    usable = _usable({name: one for name, one in tasks.items() if name not in problems}, list(problems.values()))
    prints = {name: fingerprint(data[name], extractors, plan.anchored, seed) for name in usable}
    measure = CrossValidation.of(list(usable.values()), learner, plan.options.folds, seed)
    return PreparedStudy(plan.study(prints), measure, seed)


def search_parameters(plan: TuningPlan, prepared: PreparedStudy, studies: Path, compute: ComputeOptions) -> list[Trial]:
    """Try points of the space, and log each as a run inside the active one."""
    from cu_pipeline.tracking.tuning_runs import TrialRuns

    tags = {"family": plan.space.family, "capability": _capabilities(prepared)}
    runs = TrialRuns(prepared.name, tags)
    _log.info("%s for %s: study %s", plan.space.family, _capabilities(prepared), prepared.name)
    with open_study(studies, prepared.name, plan.options.pruning) as study, fits_on(compute):
        return Search(study, plan.space, prepared.measure, prepared.seed).run(plan.options, runs.log)


def measure_anew(
    plan: TuningPlan, prepared: PreparedStudy, trials: list[Trial], studies: Path, compute: ComputeOptions
) -> Comparison:
    """Hold the best point against the parameters in use, on other folds."""
    with open_study(studies, prepared.name, plan.options.pruning) as study, fits_on(compute):
        search = Search(study, plan.space, prepared.measure, prepared.seed)
        return search.compare(_best(plan, trials).point, prepared.measure.divided_anew())


def choose_parameters(
    plan: TuningPlan, prepared: PreparedStudy, trials: list[Trial], compared: Comparison
) -> tuple[TunedParameters, dict[str, Any]]:
    """Take the best point where it is better by more than a standard error, and put all results together."""
    results = results_json(plan.space, trials, _best(plan, trials), compared)
    results = {"study": prepared.name, "capabilities": _capabilities(prepared)} | results
    _log.info("%s: %s", plan.space.family, results["result"])
    if not compared.is_better:
        _log.info("no parameters are written: train.%s stays as it is", plan.space.family)
        return TunedParameters({}), results
    if not plan.is_used:
        _log.warning("train.family=%s does not learn with family %s", plan.training.family, plan.space.family)
    return TunedParameters({"train": {plan.space.family: results["parameters"]}}, results["result"]), results


def track_tuning(results: dict[str, Any]) -> None:
    """Say in MLflow what came of it."""
    from cu_pipeline.tracking.tuning_runs import log_result

    log_result(results)


def _best(plan: TuningPlan, trials: list[Trial]) -> Trial:
    best = best_of(trials)
    if best is None:
        raise ConfigurationError(
            f"tune.minutes={plan.options.minutes:g} were over before a trial was finished: run again to go on"
        )
    return best


def _capabilities(prepared: PreparedStudy) -> str:
    return ", ".join(task.name for task in prepared.measure.tasks)


def _usable(found: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Leave out capabilities that cannot be tuned for, with a warning; an error where none is left."""
    if not found:
        raise ConfigurationError(problems)
    for problem in problems:
        _log.warning("%s. It is left out", problem)
    return dict(found)

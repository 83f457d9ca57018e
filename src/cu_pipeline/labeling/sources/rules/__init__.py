"""Rules: functions and entries of the parameters that label clips by their facts."""

from cu_pipeline.labeling.sources.rules.asking import Rule, annotate_by_rules, answers_of, rules_in_use
from cu_pipeline.labeling.sources.rules.functions import FunctionRule, load_rules, rule
from cu_pipeline.labeling.sources.rules.parameters import AnyRule, RuleOptions

__all__ = [
    "AnyRule",
    "FunctionRule",
    "Rule",
    "RuleOptions",
    "annotate_by_rules",
    "answers_of",
    "load_rules",
    "rule",
    "rules_in_use",
]

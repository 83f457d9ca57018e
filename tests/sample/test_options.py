from datetime import datetime

import pytest
from pydantic import ValidationError

from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import Drift, SampleOptions


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"start": "tomorrow"}, "'tomorrow' is not a date: write an ISO 8601 instant"),
        ({"start": "2026-03-02T08:00:00"}, "has no time zone"),
        ({"alterations": []}, "name at least one of reencoded, cropped"),
        ({"alterations": ["dubbed"]}, "'reencoded'"),
        ({"clips": 0}, "greater than or equal to 1"),
        ({"annotators": 9}, "less than or equal to 8"),
        ({"unlabelled": 1.5}, "less than or equal to 1"),
        ({"drift": {"new_topic": -0.1}}, "greater than or equal to 0"),
        ({"drfit": {}}, "Extra inputs"),
    ],
)
def test_wrong_options_are_refused_with_what_is_allowed(wrong, remedy):
    with pytest.raises(ValidationError, match=remedy):
        SampleOptions.model_validate(wrong)


def test_following_feed_has_other_clips_and_later_dates():
    options = SampleOptions(clips=30, near_duplicates=0, broken=0)
    earlier, later = plan_world(options), plan_world(options.following(20, Drift(new_slang=0.5)))
    assert len(later) == 20
    assert not {plan.clip_id for plan in earlier} & {plan.clip_id for plan in later}
    dates = [[datetime.fromisoformat(plan.posted_at) for plan in plans] for plans in (earlier, later)]
    assert max(dates[0]) < min(dates[1])


def test_following_feed_without_drift_continues_the_same_world():
    whole = plan_world(SampleOptions(clips=50, near_duplicates=0, broken=0))
    rest = plan_world(SampleOptions(clips=30, near_duplicates=0, broken=0).following(20))
    assert whole[30:] == rest

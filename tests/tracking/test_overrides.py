"""What is in force for `dvc repro`, from what was recorded and what conf/ states now."""

from typing import Any

import pytest

from cu_pipeline.tracking.override_words import edits, in_force, left_behind, listing
from cu_pipeline.tracking.overrides import Conf, Override, Recorded, RunParameters, brought_up_to_date

TUESDAY = "2020-11-24T12:00:00+00:00"
GIVEN = Override("command line", TUESDAY, 40)
BASE = {"train": {"epochs": 40, "width": 64}, "collect": {"clips": 240}, "workers": 0}


def base(**changes: Any) -> dict[str, Any]:
    return BASE | changes


def conf(parameters: dict[str, Any] = BASE, **environments: dict[str, Any]) -> Conf:
    return Conf(parameters, {"local": parameters} | environments, "here")


def recorded(entry: Override | None, environments: dict[str, str] | None = None, **changes: Any) -> Recorded:
    names = [f"{key}.{name}" for key, value in changes.items() if isinstance(value, dict) for name in value]
    names += [key for key, value in changes.items() if not isinstance(value, dict)]
    return Recorded(changes, {name: entry for name in names if entry}, environments or {})


def test_what_a_command_line_gave_stays_while_conf_is_as_it_was() -> None:
    before = recorded(GIVEN, train={"epochs": 3})
    assert brought_up_to_date(before, conf(base(workers=4))) == (before, [])


@pytest.mark.parametrize("environment", ["base", "local"])
def test_an_edit_of_conf_goes_before_it_and_is_told(environment: str) -> None:
    edited = base(train={"epochs": 8, "width": 64})
    now = conf(edited) if environment == "base" else conf(BASE, local=edited)
    found, ended = brought_up_to_date(recorded(GIVEN, train={"epochs": 3, "width": 32}), now)
    assert found.changes == ({} if environment == "base" else {"train": {"epochs": 8}})
    assert edits(ended)[0] == (
        "conf/ was edited: train.epochs=8 takes the place of 3 from a command line of Tuesday 24 November 2020"
    )


def test_what_an_environment_states_now_counts_where_its_runs_were() -> None:
    gpu = base(train={"epochs": 90, "width": 64}, collect={"clips": 9})
    before = recorded(Override("conf/gpu", TUESDAY, 40), {"train": "gpu"}, train={"epochs": 80})
    found, ended = brought_up_to_date(before, conf(BASE, local=base(workers=4), gpu=gpu))
    assert found.changes == {"train": {"epochs": 90}, "workers": 4}
    assert [one.name for one in ended] == ["train.epochs"]
    found, _ = brought_up_to_date(before, conf(BASE, gpu=BASE))
    assert found.changes == {}


def test_a_line_that_left_conf_local_counts_here_but_not_in_another_checkout() -> None:
    here, elsewhere = (recorded(Override("conf/local", TUESDAY, 0, one), workers=2) for one in ("here", "elsewhere"))
    assert brought_up_to_date(here, conf())[0].changes == {}
    assert brought_up_to_date(elsewhere, conf()) == (elsewhere, [])
    assert brought_up_to_date(elsewhere, conf(base(workers=3)))[0].changes == {}
    assert brought_up_to_date(elsewhere, conf(BASE, local=base(workers=5)))[0].changes == {"workers": 5}
    assert "workers=2 from conf/local of another checkout" in in_force(elsewhere, ["workers"], "here")[0]
    assert in_force(here, [""], "here") == []


def test_what_earlier_versions_recorded_stays_until_conf_is_edited() -> None:
    old = recorded(None, train={"epochs": 3})
    found, ended = brought_up_to_date(old, conf())
    assert (found.changes, ended) == (old.changes, [])
    found, ended = brought_up_to_date(found, conf(base(train={"epochs": 8, "width": 64})))
    assert found.changes == {}
    assert "train.epochs=8 takes the place of 3 from params.yaml" in edits(ended)[0]


def test_the_feed_stays_unless_conf_states_one() -> None:
    own = recorded(None, collect={"manifest": "own.csv"})
    assert brought_up_to_date(own, conf())[0] == own
    stated = base(collect={"clips": 240, "manifest": "other.csv"})
    assert brought_up_to_date(own, conf(stated))[0].changes == {}
    assert brought_up_to_date(own, conf(BASE, local=stated))[0].changes == {"collect": {"manifest": "other.csv"}}
    assert in_force(own, [""], "here") == []
    assert "the project's feed" in listing(own, "here")


def test_what_is_in_force_is_one_line_with_the_way_to_drop_it() -> None:
    before = recorded(GIVEN, train={"epochs": 3, "width": 32}, workers=2)
    assert in_force(before, ["train"], "here") == [
        "this project runs with train.epochs=3 and train.width=32 from a command line of Tuesday 24 November 2020; "
        "drop it with `kedro params drop train.epochs train.width`"
    ]
    many = recorded(GIVEN, train={str(number): number for number in range(9)})
    (line,) = in_force(many, [""], "here")
    assert "and 5 more (`kedro params` lists them)" in line
    assert line.endswith("`kedro params drop --all`")


def test_a_run_says_what_it_does_without_and_what_it_does_not_read() -> None:
    before = recorded(GIVEN, train={"epochs": 3})
    run = RunParameters(conf(), "local", BASE)
    (line,) = left_behind(before, run, ["train"])
    assert line == (
        "train.epochs=3 from a command line of Tuesday 24 November 2020 is not in force any more: "
        "this run takes conf/'s 40"
    )
    (line,) = left_behind(before, run, ["collect.clips"])
    assert line.startswith("stored results rest on train.epochs=3 from a command line of Tuesday")
    again = RunParameters(conf(), "local", base(train={"epochs": 5, "width": 64}))
    assert left_behind(before, again, ["train"]) == []

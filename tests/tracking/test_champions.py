"""Who is champion where the data, the ledger and a registry differ. The registries are MLflow's own."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cu_pipeline.core.errors import BundleError
from cu_pipeline.models.reference import Reference
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.champions import AGREED, settle_champions
from cu_pipeline.tracking.promotions import Promotion

NAMES = iter(f"capability {number}" for number in range(100))


@pytest.fixture
def bundles(make_bundle):
    """Give a new capability's bundles of the versions that a test calls a, b and c."""
    name = next(NAMES)
    return {letter: make_bundle(name, seed=seed) for seed, letter in enumerate("abc")}


@pytest.fixture(autouse=True)
def registered(tracked_root, monkeypatch, tmp_path):
    """Give a function that registers a bundle, as a challenger."""

    def register(bundle, alias=registry.CHALLENGER):
        bundle.save(tmp_path / bundle.version)
        return registry.register(tmp_path / bundle.version, bundle.capability, bundle.version, alias)

    return register


def entry(before, after, cause="gate"):
    name = (after or before).capability
    return Promotion.now(name, (before and before.version, after and after.version), cause, "a reason")


def settle(served, ledger=(), trained=None):
    """Settle one capability; give the champion's version, and what was changed by hand."""
    one = served or trained
    name = one.capability
    standing = settle_champions({name: served} if served else {}, {name: trained} if trained else {}, list(ledger))
    champion = standing.champions.get(name)
    return champion and champion.version, [(moved.before, moved.after) for moved in standing.moved], standing


def alias_of(bundle):
    found = registry.champion(bundle.capability)
    return found and found.bundle_version


def test_a_registry_without_the_champions_is_filled_in_one_line(make_bundle, caplog):
    caplog.set_level("INFO")
    served = {name: make_bundle(name, seed=7) for name in (next(NAMES), next(NAMES))}
    for _ in range(2):
        standing = settle_champions(served, {}, [entry(None, bundle) for bundle in served.values()])
        assert standing.champions == served
        assert standing.moved == []
    assert [alias_of(bundle) for bundle in served.values()] == [bundle.version for bundle in served.values()]
    told = [record.getMessage() for record in caplog.records if "registry lacked" in record.getMessage()]
    assert len(told) == 1
    assert all(f"{name} {bundle.version}" in told[0] for name, bundle in served.items())


def test_of_two_capabilities_the_registry_may_have_one(make_bundle, registered):
    known, new = (make_bundle(next(NAMES), seed=seed) for seed in (1, 2))
    registered(known, registry.CHAMPION)
    served = {bundle.capability: bundle for bundle in (known, new)}
    assert settle_champions(served, {}, [entry(None, known), entry(None, new)]).champions == served
    assert (alias_of(known), alias_of(new)) == (known.version, new.version)


def test_an_alias_that_somebody_moved_counts_and_what_it_replaced_is_taken_back(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    number = registered(a)
    registered(b)
    ledger = [entry(None, a), entry(a, b)]
    assert settle(b, ledger)[0] == b.version
    registry.set_champion(a.capability, number)
    for _ in range(2):  # until the ledger has it, it is told again
        version, moved, standing = settle(b, ledger)
        assert (version, moved) == (a.version, [(b.version, a.version)])
        assert standing.taken_back[a.capability] == {b.version}
    version, moved, standing = settle(b, [*ledger, *standing.moved])
    assert (version, moved) == (a.version, [])
    assert standing.taken_back[a.capability] == {b.version}


def test_a_champion_that_is_brought_back_tells_again_what_it_learned_from(bundles, registered):
    a, b = (bundles[letter].described_by(Reference(letter.encode())) for letter in "ab")
    number, ledger = registered(a), [entry(None, a), entry(a, b)]
    registered(b)
    assert settle(b, ledger, trained=b)[0] == b.version
    registry.set_champion(a.capability, number)
    version, _, standing = settle(b, ledger, trained=b)
    assert version == a.version
    assert standing.champions[a.capability].reference == a.reference


def test_a_model_that_says_what_it_learned_from_stands_for_the_same_one_that_does_not(bundles, registered):
    old = bundles["a"]
    told = old.described_by(Reference(b"a"))
    registered(old, registry.CHAMPION)
    standing = settle_champions({old.capability: old}, {old.capability: told}, [entry(None, old)])
    assert standing.champions[old.capability].reference == told.reference


def test_a_champion_withdrawn_by_hand_is_none_until_one_is_promoted(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(a)
    settle(a, [entry(None, a)])
    registry.set_champion(a.capability, None)
    version, moved, standing = settle(a, [entry(None, a)])
    assert (version, moved) == (None, [(a.version, None)])
    ledger = [entry(None, a), *standing.moved]
    assert settle(a, ledger)[:2] == (None, [])
    registered(b)
    assert settle(a, [*ledger, entry(None, b)], b)[:2] == (b.version, [])
    assert alias_of(b) == b.version


def test_a_promotion_that_came_with_the_data_is_made_in_the_registry_too(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(a)
    settle(a, [entry(None, a)])
    assert settle(b, [entry(None, a), entry(a, b)])[:2] == (b.version, [])
    assert alias_of(b) == b.version
    assert settle(a, [entry(None, a), entry(a, b), entry(b, a, "hand")])[:2] == (a.version, [])  # taken back elsewhere
    assert alias_of(a) == a.version


def test_a_ledger_that_a_killed_run_was_ahead_with_is_completed(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(a)
    settle(a, [entry(None, a)])
    registered(b)
    assert settle(a, [entry(None, a), entry(a, b)], trained=b)[:2] == (b.version, [])  # the folder still has the former
    assert alias_of(b) == b.version


def test_a_filling_that_was_killed_before_the_alias_is_completed(bundles, registered):
    a = bundles["a"]
    registered(a)  # the version is there, the alias is not
    assert settle(a, [entry(None, a)])[:2] == (a.version, [])
    assert alias_of(a) == a.version


@pytest.mark.parametrize("agreed", [True, False])
def test_a_move_by_hand_that_the_ledger_has_with_a_later_change_is_not_told_again(
    bundles, registered, tracked_root, agreed
):
    """As when a run enters the move and a promotion over it, and then reads the ledger again."""
    a, b, c = (bundles[letter] for letter in "abc")
    number = registered(a)
    registered(b)
    settle(b, [entry(None, a), entry(a, b)])
    registered(c)
    registry.set_champion(a.capability, number)
    if not agreed:
        (tracked_root / AGREED).unlink()
    ledger = [entry(None, a), entry(a, b), entry(b, a, "hand"), entry(a, c, "promote")]
    assert settle(b, ledger, c)[:2] == (c.version, [])
    assert alias_of(c) == c.version


def test_on_a_shared_registry_what_a_colleague_promoted_counts(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(a)
    settle(a, [entry(None, a)])
    registered(b, registry.CHAMPION)
    assert settle(a, [entry(None, a)])[:2] == (b.version, [(a.version, b.version)])


def test_in_a_new_folder_with_a_registry_that_knows_the_ledgers_champion_the_alias_counts(
    bundles, registered, tracked_root
):
    a, b = bundles["a"], bundles["b"]
    registered(a)
    registered(b, registry.CHAMPION)
    assert a.capability not in (tracked_root / AGREED).read_text()
    assert settle(a, [entry(None, a)])[:2] == (b.version, [(a.version, b.version)])


def test_a_foreign_registrys_champion_does_not_replace_the_datas(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(b, registry.CHAMPION)
    assert settle(a, [entry(None, a)])[:2] == (a.version, [])
    assert alias_of(a) == a.version


def test_a_champion_whose_files_are_nowhere_stops_the_run_with_the_remedy(bundles):
    a, b = bundles["a"], bundles["b"]
    with pytest.raises(BundleError, match=rf"(?s){b.version}.*dvc pull.*move the ledger away"):
        settle(a, [entry(None, a), entry(a, b)])


def test_a_new_registry_is_filled_although_the_former_one_agreed(bundles, make_bundle, tracked_root):
    a, other = bundles["a"], make_bundle(next(NAMES), seed=1)
    settle(other, [entry(None, other)])
    agreed = json.loads((tracked_root / AGREED).read_text())
    assert agreed["champions"][other.capability] == other.version
    agreed["champions"][a.capability] = a.version  # with a registry that was deleted since
    (tracked_root / AGREED).write_text(json.dumps(agreed))
    assert settle(a, [entry(None, a)])[:2] == (a.version, [])
    assert alias_of(a) == a.version


def old_line(capability, number, time):
    line = {"time": time.isoformat(timespec="seconds"), "capability": capability, "from": None, "to": number}
    return Promotion.from_json(line | {"reason": "better"})


def test_an_entry_by_number_counts_in_the_registry_that_wrote_it(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    registered(a, registry.CHAMPION)
    ledger = [old_line(a.capability, registered(b), datetime.now(UTC))]
    version, moved, standing = settle(a, ledger)  # b was promoted, and a was given the alias back
    assert (version, moved) == (a.version, [])
    assert standing.taken_back[a.capability] == {b.version}


def test_an_entry_by_number_means_nothing_to_a_registry_made_since(bundles, registered):
    a, b = bundles["a"], bundles["b"]
    ledger = [old_line(a.capability, "2", datetime.now(UTC) - timedelta(days=1))]
    assert settle(a, ledger)[:2] == (a.version, [])
    assert registered(b) == "2"
    version, moved, standing = settle(a, ledger)
    assert (version, moved, standing.taken_back[a.capability]) == (a.version, [], set())

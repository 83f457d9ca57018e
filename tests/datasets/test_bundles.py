from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.inference.predictor import Predictor

NAMES = ("a/b", "..", ".hidden", "con", "A", "a", "名前", "food & drink", "C++", "x" * 150)


def test_capabilities_of_any_name_have_a_folder_each_and_come_back(make_bundle, tmp_path):
    bundles = {name: make_bundle(name) for name in NAMES}
    stored = BundlesDataset(filepath=str(tmp_path / "bundles"))
    stored.save(bundles)
    assert {name: one.version for name, one in stored.load().items()} == {n: one.version for n, one in bundles.items()}
    folders = [path.parent for path in tmp_path.rglob("bundle.json")]
    assert {folder.parent for folder in folders} == {tmp_path / "bundles"}
    assert len({folder.name.casefold() for folder in folders}) == len(NAMES)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bundles"]


def test_what_is_not_saved_any_more_goes_and_only_that(make_bundle, tmp_path):
    stored = BundlesDataset(filepath=str(tmp_path))
    stored.save({name: make_bundle(name) for name in ("a/b", "topic")})
    stored.save({"a/b": make_bundle("a/b")})
    assert list(stored.load()) == ["a/b"]


def test_a_folder_that_an_earlier_version_named_is_read(make_bundle, tmp_path):
    bundle = make_bundle("Topic")
    bundle.save(tmp_path / "Topic")
    stored = BundlesDataset(filepath=str(tmp_path))
    assert stored.load()["Topic"].version == bundle.version
    stored.save({"Topic": bundle})
    assert len(list(tmp_path.iterdir())) == 1
    assert stored.load()["Topic"].version == bundle.version


def test_the_service_answers_by_the_capabilitys_name_not_by_its_folders(make_bundle, tmp_path):
    BundlesDataset(filepath=str(tmp_path)).save({name: make_bundle(name) for name in ("food & drink", "A", "a")})
    predictor = Predictor.load(tmp_path)
    assert list(predictor.bundles) == ["A", "a", "food & drink"]
    assert set(predictor.predict(None, "words").labels) == {"A", "a", "food & drink"}
    predictor.close()

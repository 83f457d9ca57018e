import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.models.family import soft_targets

SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def test_no_class_and_several_classes():
    labels = pd.Series(["none", "advert|violence", "violence"])
    assert indicators(labels, SAFETY).astype(int).tolist() == [[0, 0], [1, 1], [0, 1]]


def test_columns_are_the_capabilitys_classes_whatever_order_the_probabilities_have():
    swapped = Capability(kind=Kind.MULTI, classes=("violence", "advert", "spam"))
    labels = pd.DataFrame({"label": ["advert"], "probabilities": ['{"advert": 0.8, "other": 1, "violence": 0.1}']})
    np.testing.assert_allclose(soft_targets(labels, swapped), [[0.1, 0.8, 0]], atol=1e-6)


def test_doubt_is_learnt_as_doubt():
    labels = pd.DataFrame({"label": ["advert", "none"], "probabilities": ['{"advert": 0.8, "violence": 0.1}', ""]})
    soft = soft_targets(labels, SAFETY)
    np.testing.assert_allclose(soft, [[0.8, 0.1], [0, 0]], atol=1e-6)


def test_probabilities_stand_in_the_order_of_the_classes_and_not_of_the_json():
    topics = Capability(classes=("sport", "cooking", "pets"))
    labels = pd.DataFrame({"label": ["pets"], "probabilities": ['{"pets": 0.7, "sport": 0.3}']})
    np.testing.assert_allclose(soft_targets(labels, topics), [[0.3, 0, 0.7]], atol=1e-6)

import pickle

import numpy as np
import pytest
import torch

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.weights import weights_path
from cu_pipeline.features.torch_file import read_state


def test_reads_what_pytorch_reads():
    path = weights_path("efficientnet-lite0")
    expected = {name: value.numpy() for name, value in torch.load(path, weights_only=True).items()}
    found = read_state(path)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[name], value)


def test_views_of_one_storage_keep_their_places(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"turned": whole.T, "row": whole[1], "number": torch.tensor(7)}
    torch.save(state, tmp_path / "state.pth", _use_new_zipfile_serialization=False)
    found = read_state(tmp_path / "state.pth")
    np.testing.assert_array_equal(found["turned"], whole.T.numpy())
    np.testing.assert_array_equal(found["row"], [4, 5, 6, 7])
    assert found["number"].shape == ()
    assert found["number"] == 7


class Harm:
    def __reduce__(self):
        return eval, ("print('harm')",)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(5)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "state.pth").write_bytes(content)
    with pytest.raises(BundleError, match="no tensors"):
        read_state(tmp_path / "state.pth")


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    torch.save({"harm": Harm()}, tmp_path / "state.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(BundleError, match=r"it names __builtin__\.eval"):
        read_state(tmp_path / "state.pth")
    assert capsys.readouterr().out == ""


def test_a_torn_file_is_refused(tmp_path):
    torch.save({"a": torch.ones(100)}, tmp_path / "state.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "state.pth").read_bytes()
    (tmp_path / "state.pth").write_bytes(whole[:-10])
    with pytest.raises(BundleError):
        read_state(tmp_path / "state.pth")

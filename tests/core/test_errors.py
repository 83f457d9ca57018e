import inspect
import pickle

from cu_pipeline.core import errors
from cu_pipeline.core.errors import BadClipError, ConfigurationError, CuPipelineError, Reason


def test_every_error_of_the_package_has_one_base_and_stands_in_the_tree() -> None:
    found = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)]
    assert all(issubclass(error, CuPipelineError) for error in found)
    assert all(error.__name__ in (errors.__doc__ or "") for error in found)


def test_a_refused_clip_crosses_a_process_boundary_whole() -> None:
    error = pickle.loads(pickle.dumps(BadClipError(Reason.TRUNCATED, "ends in frame 3")))
    assert (error.reason, error.detail, str(error)) == (
        Reason.TRUNCATED,
        "ends in frame 3",
        "truncated: ends in frame 3",
    )


def test_a_configuration_error_shows_all_problems() -> None:
    assert str(ConfigurationError(["one", "two"])) == "one\ntwo"
    assert ConfigurationError("one").problems == ["one"]

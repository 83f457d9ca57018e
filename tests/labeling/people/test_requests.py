from cu_pipeline.labeling.people.requests import LabelRequest, Purpose, drawn_for_test, last_asked, latest_requests


def test_the_last_iteration_counts_until_it_withdraws() -> None:
    first = LabelRequest("0001", "a", Purpose.TEST)
    second = LabelRequest("0002", "b", Purpose.TEST)
    taught = LabelRequest("0002", "c", Purpose.VALUE)
    log = [first, second, taught, LabelRequest("0002", "", Purpose.WITHDRAWN)]
    assert latest_requests([first]).keys() == {"a"}
    assert latest_requests(log[:3]).keys() == {"b", "c"}
    assert latest_requests(log) == {}
    assert drawn_for_test(last_asked(log)) == {"b"}, "what models are tested on stays"
    assert latest_requests([]) == {}
    assert drawn_for_test(last_asked([])) == frozenset()


def test_a_request_is_read_as_it_was_written() -> None:
    one = LabelRequest("0003", "c1", Purpose.RANDOM)
    assert LabelRequest.from_json(one.as_json()) == one

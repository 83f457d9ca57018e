"""Slow, absent and leaving clients, and the end of the service, message by message."""

import asyncio
import time

from cu_pipeline.inference.prediction_log import read_log

JSON = [("content-type", "application/json"), ("content-length", "100")]
FORM = [("content-type", "multipart/form-data; boundary=b"), ("content-length", "100")]
HEAD = b'--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
SLOW = b'{"caption": "slow"}'
QUICK = b'{"caption": "a goal"}'


def logged(service):
    service.log.flush()
    return read_log(str(service.folder / "log")).records


def test_a_body_that_stops_coming_is_given_up(connect, service):
    call = connect(messages=[HEAD, 60], headers=FORM, whole=False)
    began = time.monotonic()
    asyncio.run(call.run())
    assert (call.status, call.json()["reason"]) == (408, "upload_timeout")
    assert time.monotonic() - began < 2
    assert list((service.folder / "work").iterdir()) == []


def test_a_body_that_comes_byte_by_byte_is_given_up(connect):
    drops = [one for _ in range(50) for one in (b" ", 0.1)]
    call = connect(messages=drops, headers=JSON, whole=False)
    asyncio.run(call.run())
    assert (call.status, call.json()["reason"]) == (408, "upload_timeout")


def test_open_uploads_are_bounded_and_keep_nobody_else_from_an_answer(connect, new_service):
    service = new_service(max_uploads=2, upload_idle_s=1)

    async def scene():
        idle = [connect(messages=[HEAD, 60], headers=FORM, whole=False, app=service.app) for _ in range(2)]
        waiting = [asyncio.create_task(one.run()) for one in idle]
        await asyncio.sleep(0.05)
        caption = await connect(messages=[QUICK], headers=JSON, app=service.app).run()
        third = await connect(messages=[HEAD, 0.01], headers=FORM, whole=False, app=service.app).run()
        await asyncio.gather(*waiting)
        fourth = await connect(messages=[HEAD + b"content\r\n--b--\r\n"], headers=FORM, app=service.app).run()
        return [one.status for one in idle], caption, third, fourth

    idle, caption, third, fourth = asyncio.run(scene())
    assert idle == [408, 408]
    assert caption.status == fourth.status == 200
    assert (third.status, third.json()["reason"], third.headers["retry-after"]) == (503, "too_many_uploads", "5")


def test_the_work_of_a_client_that_leaves_is_cancelled_and_not_logged(connect, service):
    before, cancelled = len(logged(service)), service.engine.cancelled
    call = connect(messages=[SLOW, 0.05, None], headers=JSON)
    asyncio.run(call.run())
    assert call.sent == []
    assert service.engine.cancelled == cancelled + 1
    assert len(logged(service)) == before


def test_an_upload_whose_client_leaves_is_forgotten(connect, service):
    seen = len(service.engine.seen)
    call = connect(messages=[HEAD, b"half", None], headers=FORM, whole=False)
    asyncio.run(call.run())
    assert call.sent == []
    assert len(service.engine.seen) == seen
    assert list((service.folder / "work").iterdir()) == []


def test_what_takes_too_long_is_refused_in_time(connect, new_service):
    service = new_service(deadline_s=0.1)
    call = connect(messages=[SLOW], headers=JSON, app=service.app)
    asyncio.run(call.run())
    assert (call.status, call.json()["reason"]) == (503, "deadline")
    assert "retry-after" in call.headers
    assert service.engine.cancelled == 1


def test_the_end_of_the_service_is_bounded_and_told(connect, new_service):
    service = new_service(drain_s=0.2, upload_idle_s=60, upload_total_s=60, deadline_s=60)

    async def scene():
        calls = [
            connect(messages=[HEAD, 60], headers=FORM, whole=False, app=service.app),
            connect(messages=[SLOW], headers=JSON, app=service.app),
            connect(messages=[b'{"caption":', 0.05, b'"a goal"}'], headers=JSON, app=service.app),
        ]
        running = [asyncio.create_task(one.run()) for one in calls]
        await asyncio.sleep(0.01)
        service.running.drain.begin()
        ready = await connect("/readyz", method="GET", app=service.app).run()
        await asyncio.wait_for(asyncio.gather(*running), 2)
        return ready, calls

    ready, calls = asyncio.run(scene())
    assert ready.status == 503
    assert [one.status for one in calls] == [503, 503, 200]
    assert {one.json()["reason"] for one in calls[:2]} == {"shutting_down"}
    assert list((service.folder / "work").iterdir()) == []


def test_a_refusal_of_an_unread_body_reaches_clients_that_still_send(connect):
    call = connect(messages=[b" " * 2**16] * 8, headers=[("content-type", "text/plain"), ("content-length", "524288")])
    asyncio.run(call.run())
    assert (call.status, call.headers["connection"]) == (415, "close")
    assert call.messages == []
    assert call.sent[-1] == {"type": "http.response.body", "body": b""}

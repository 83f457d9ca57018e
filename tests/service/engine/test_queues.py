import threading
import time

from cu_pipeline.service.engine.queues import BatchQueue, DecodingQueue


def test_slow_clips_leave_a_decoder_to_the_others_and_keep_their_turn():
    queue = DecodingQueue(decoders=2)
    for name, slow in (("slow 1", True), ("slow 2", True), ("quick 1", False), ("quick 2", False)):
        queue.put(name, slow)
    assert [queue.take(), queue.take(), queue.take()] == [("slow 1", True), ("quick 1", False), ("quick 2", False)]
    queue.done(slow=True)
    assert queue.take() == ("slow 2", True)


def test_one_decoder_takes_clips_in_order():
    queue = DecodingQueue(decoders=1)
    queue.put("slow", slow=True)
    queue.put("quick")
    assert [queue.take(), queue.take()] == [("slow", True), ("quick", False)]


def test_who_waits_for_a_clip_is_woken_by_the_end():
    queue = DecodingQueue(decoders=2)
    queue.put("slow 1", slow=True)
    queue.take()
    queue.put("slow 2", slow=True)
    found = []
    waiting = threading.Thread(target=lambda: found.append(queue.take()))
    waiting.start()
    assert queue.close() == ["slow 2"]
    waiting.join(5)
    assert found == [None]


def test_what_waits_is_taken_together_up_to_a_number():
    queue = BatchQueue(most=3, wait_s=0.0)
    for number in range(5):
        assert queue.put(number)
    assert [queue.take(), queue.take()] == [[0, 1, 2], [3, 4]]


def test_a_wait_gathers_what_comes_meanwhile_and_a_full_batch_does_not_wait():
    queue = BatchQueue(most=2, wait_s=0.2)
    queue.put("early")
    later = threading.Timer(0.05, queue.put, ["late"])
    later.start()
    begun = time.monotonic()
    assert queue.take() == ["early", "late"]
    assert time.monotonic() - begun < 0.19
    queue.put("alone")
    begun = time.monotonic()
    assert queue.take() == ["alone"]
    assert time.monotonic() - begun >= 0.15


def test_a_full_queue_holds_those_who_bring_more_until_there_is_room():
    queue = BatchQueue(most=1, wait_s=0.0, room=1)
    queue.put(1)
    brought = threading.Thread(target=queue.put, args=(2,))
    brought.start()
    brought.join(0.05)
    assert brought.is_alive()
    assert queue.take() == [1]
    brought.join(5)
    assert queue.take() == [2]


def test_a_closed_queue_takes_nothing_and_frees_all_who_wait():
    queue = BatchQueue(most=1, wait_s=0.0, room=1)
    queue.put(1)
    told = []
    waiting = threading.Thread(target=lambda: told.append(queue.put(2)))
    waiting.start()
    time.sleep(0.02)
    assert queue.close() == [1]
    waiting.join(5)
    assert told == [False]
    assert queue.take() == []

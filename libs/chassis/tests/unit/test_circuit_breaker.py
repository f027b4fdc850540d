"""Whether the database is there: taken for granted until somebody finds it away, and then asked until it answers."""

import eventlet
import pytest

from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker


def test_it_is_taken_to_be_there_and_nobody_is_asked():
    asked: list[int] = []
    circuit_breaker = CircuitBreaker(lambda: bool(asked.append(1)))

    assert circuit_breaker.wait(0) and circuit_breaker.open_for_s == 0
    assert asked == []


def test_once_lost_it_is_asked_until_it_answers_and_who_waits_goes_on():
    answers = [False, False, True]
    circuit_breaker = CircuitBreaker(lambda: answers.pop(0))

    circuit_breaker.trip()
    circuit_breaker.trip()

    assert not circuit_breaker.wait(0.01)
    assert circuit_breaker.open_for_s > 0
    assert circuit_breaker.wait(5)
    assert circuit_breaker.open_for_s == 0 and answers == []


def test_a_question_that_fails_counts_as_no():
    answers = [OSError("refused"), True]

    def ask() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    circuit_breaker = CircuitBreaker(ask)

    circuit_breaker.trip()

    assert circuit_breaker.wait(5) and answers == []


def test_a_doubt_that_it_answers_holds_nobody_up():
    circuit_breaker = CircuitBreaker(lambda: True)

    doubt = circuit_breaker.probe()

    assert circuit_breaker.wait(0) and circuit_breaker.open_for_s == 0
    doubt.wait()
    assert circuit_breaker.wait(0) and circuit_breaker.changes == 0


def test_a_doubt_that_it_does_not_answer_is_a_loss():
    circuit_breaker = CircuitBreaker(lambda: False)

    circuit_breaker.probe().wait()

    assert not circuit_breaker.wait(0)
    circuit_breaker.stop()


def test_doubts_at_the_same_time_are_cleared_up_by_one_question():
    asked: list[int] = []

    def ask() -> bool:
        asked.append(1)
        eventlet.sleep(0)
        return True

    circuit_breaker = CircuitBreaker(ask)

    for doubt in [circuit_breaker.probe() for _ in range(20)]:
        doubt.wait()

    assert len(asked) == 1


@pytest.mark.parametrize("answers", [[False, True], [False, False, False, True]], ids=str)
def test_an_outage_is_a_change_when_it_begins_and_when_it_ends(answers):
    left = list(answers)
    circuit_breaker = CircuitBreaker(lambda: left.pop(0))

    circuit_breaker.probe().wait()
    during = circuit_breaker.changes
    circuit_breaker.wait(5)

    assert 0 < during < circuit_breaker.changes


def test_a_loss_that_turns_out_to_be_none_is_no_change():
    circuit_breaker = CircuitBreaker(lambda: True)

    circuit_breaker.trip()

    assert circuit_breaker.wait(5) and circuit_breaker.changes == 0

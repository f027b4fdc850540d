"""Whether the database is there: taken for granted until somebody finds it away, and then asked until it answers."""

import eventlet
import pytest

from touchstone_chassis.availability import Availability


def test_it_is_taken_to_be_there_and_nobody_is_asked():
    asked: list[int] = []
    availability = Availability(lambda: bool(asked.append(1)))

    assert availability.wait(0) and availability.away_for_s == 0
    assert asked == []


def test_once_lost_it_is_asked_until_it_answers_and_who_waits_goes_on():
    answers = [False, False, True]
    availability = Availability(lambda: answers.pop(0))

    availability.lost()
    availability.lost()

    assert not availability.wait(0.01)
    assert availability.away_for_s > 0
    assert availability.wait(5)
    assert availability.away_for_s == 0 and answers == []


def test_a_question_that_fails_counts_as_no():
    answers = [OSError("refused"), True]

    def ask() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    availability = Availability(ask)

    availability.lost()

    assert availability.wait(5) and answers == []


def test_a_doubt_that_it_answers_holds_nobody_up():
    availability = Availability(lambda: True)

    doubt = availability.doubted()

    assert availability.wait(0) and availability.away_for_s == 0
    doubt.wait()
    assert availability.wait(0) and availability.changes == 0


def test_a_doubt_that_it_does_not_answer_is_a_loss():
    availability = Availability(lambda: False)

    availability.doubted().wait()

    assert not availability.wait(0)
    availability.stop()


def test_doubts_at_the_same_time_are_cleared_up_by_one_question():
    asked: list[int] = []

    def ask() -> bool:
        asked.append(1)
        eventlet.sleep(0)
        return True

    availability = Availability(ask)

    for doubt in [availability.doubted() for _ in range(20)]:
        doubt.wait()

    assert len(asked) == 1


@pytest.mark.parametrize("answers", [[False, True], [False, False, False, True]], ids=str)
def test_an_outage_is_a_change_when_it_begins_and_when_it_ends(answers):
    left = list(answers)
    availability = Availability(lambda: left.pop(0))

    availability.doubted().wait()
    during = availability.changes
    availability.wait(5)

    assert 0 < during < availability.changes


def test_a_loss_that_turns_out_to_be_none_is_no_change():
    availability = Availability(lambda: True)

    availability.lost()

    assert availability.wait(5) and availability.changes == 0

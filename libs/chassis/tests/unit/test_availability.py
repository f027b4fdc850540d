"""Whether the database is there: taken for granted until somebody finds it away, and then asked until it answers."""

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

"""The database's time: whatever the machine's clock says, and also while the database does not answer."""

import datetime

from pymongo.errors import ServerSelectionTimeoutError

from touchstone_chassis.mongo.server_time import ASKED_AGAIN_S, ASKED_EVERY_S, ServerTime

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
MINUTES = datetime.timedelta(minutes=10)


class Server:
    """A database whose clock goes with the stopwatch of the test, if it answers."""

    def __init__(self) -> None:
        self.elapsed_s, self.asked, self.answers, self.ahead = 1000.0, 0, True, datetime.timedelta()

    def ask(self) -> datetime.datetime:
        self.asked += 1
        if not self.answers:
            raise ServerSelectionTimeoutError("away")
        return self.time()

    def time(self) -> datetime.datetime:
        return NOON + self.ahead + datetime.timedelta(seconds=self.elapsed_s)

    def seen_by(self, wrong_by: datetime.timedelta) -> ServerTime:
        return ServerTime(self.ask, machine=lambda: self.time() + wrong_by, monotonic=lambda: self.elapsed_s)


def test_clocks_that_are_minutes_wrong_agree_on_the_time():
    server = Server()

    fast, slow = server.seen_by(MINUTES), server.seen_by(-MINUTES)

    assert fast.now() == slow.now() == server.time()


def test_the_database_is_asked_once_a_minute_and_time_goes_on_in_between():
    server = Server()
    replica = server.seen_by(MINUTES)
    replica.now()

    server.elapsed_s += ASKED_EVERY_S - 1
    before = (replica.now() == server.time(), server.asked)
    server.ahead = datetime.timedelta(seconds=2)  # another primary, say
    server.elapsed_s += 1
    after = (replica.now() == server.time(), server.asked)

    assert (before, after) == ((True, 1), (True, 2))


def test_while_the_database_is_away_the_last_answer_counts_and_it_is_asked_now_and_then():
    server = Server()
    replica = server.seen_by(MINUTES)
    replica.now()
    server.answers = False
    server.elapsed_s += ASKED_EVERY_S

    times = {replica.now() for _ in range(10)}
    server.elapsed_s += ASKED_AGAIN_S
    replica.now()

    assert times == {server.time() - datetime.timedelta(seconds=ASKED_AGAIN_S)}
    assert server.asked == 3


def test_before_the_first_answer_there_is_nothing_but_the_machine():
    server = Server()
    server.answers = False

    assert server.seen_by(MINUTES).now() == server.time() + MINUTES

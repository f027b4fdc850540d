"""Says whether a service's database is whole: a restore that died half-way leaves a part of a backup in it."""

from collections.abc import Callable

import pymongo
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_contracts.bookkeeping import HALF_RESTORED, RESTORES

ASKED_WITHIN_S = 1.2


class HalfRestored(Exception):
    """The database holds a part of a backup; no service may work on it."""


class WholeDatabase:
    """A check: whether no restore of this database has begun and not come to its end."""

    def __init__(self, database: Callable[[], Database]):
        self._database = database

    def __call__(self) -> tuple[bool, str]:
        """Raises PyMongoError when the database does not answer."""
        with pymongo.timeout(ASKED_WITHIN_S):
            begun = self._database()[RESTORES].find_one(HALF_RESTORED)
        if begun is None:
            return True, "no restore is half done"
        return False, (
            f"a restore was begun at {begun['at']:%Y-%m-%dT%H:%M:%SZ} and did not come to its end: repeat"
            " `touchstone restore` with --replace before the service is started"
        )

    def known(self) -> bool:
        """Whether it is whole for certain: False while the database does not answer. Raises HalfRestored."""
        try:
            whole, sentence = self()
        except PyMongoError:
            return False
        if not whole:
            raise HalfRestored(sentence)
        return True

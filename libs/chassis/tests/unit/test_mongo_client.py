"""Which of the driver's errors say that the database is not there now, and which that a request was wrong."""

from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.unit_of_work.committer import NotCommittedInTime
from touchstone_chassis.unit_of_work.dataloader import NotReadInTime


def failed(code: int, *labels: str) -> OperationFailure:
    return OperationFailure("x", code, {"errorLabels": list(labels)})


NOT_THERE: dict[str, PyMongoError] = {
    "a connection broke, or the pool was cleared for that": AutoReconnect("x"),
    "nothing was heard": NetworkTimeout("x"),
    "no primary, a set of another name, or of none yet": ServerSelectionTimeoutError("x"),
    "no primary any more, or not yet; recovering; shutting down": NotPrimaryError("x", {"code": 13436}),
    "all connections are in use": WaitQueueTimeoutError("x"),
    "no sessions: the server is in its start, or recovering": ConfigurationError("Sessions are not supported"),
    "its name cannot be looked up (mongodb+srv)": ConfigurationError("The DNS operation timed out"),
    "too slow": ExecutionTimeout("x", 50),
    "no majority in time": WTimeoutError("x", 64),
    "no majority: the primary stepped down meanwhile": WriteConcernError("x", 189),
    "too few members for a majority: UnsatisfiableWriteConcern": WriteConcernError("x", 100),
    "ours: the commit took too long": NotCommittedInTime(),
    "ours: the read took too long": NotReadInTime(),
    "the server says: try the transaction again": failed(0, "TransientTransactionError"),
    "the server says: nobody knows whether it was committed": failed(0, "UnknownTransactionCommitResult"),
    "the server says: try the write again": failed(0, "RetryableWriteError"),
    "HostUnreachable, from one server to another": failed(6),
    "HostNotFound, from one server to another": failed(7),
    "AuthenticationFailed: a member that copies the data has no users yet; or a password that is being changed": failed(
        18
    ),
    "CursorNotFound: the server was started again while it was read in batches": CursorNotFound("x", 43),
    "NetworkTimeout, from one server to another": failed(89),
    "ShutdownInProgress": failed(91),
    "NotYetInitialized": failed(94),
    "WriteConflict": failed(112),
    "FailedToSatisfyReadPreference: no primary, says a router": failed(133),
    "ReadConcernMajorityNotAvailableYet: right after a start": failed(134),
    "PrimarySteppedDown": WriteError("x", 189),
    "KeyNotFound: right after a start, for the signing of times": failed(211),
    "NoSuchTransaction: the server was started again": failed(251),
    "ExceededTimeLimit": failed(262),
    "TemporarilyUnavailable: its cache is full": failed(365),
    "SocketException, from one server to another": failed(9001),
    "NotWritablePrimary": WriteError("x", 10107),
    "InterruptedAtShutdown": failed(11600),
    "InterruptedDueToReplStateChange": failed(11602),
    "NotPrimaryNoSecondaryOk": failed(13435),
    "NotPrimaryOrSecondary: recovering, or in its start": failed(13436),
}
WRONG: dict[str, Exception] = {
    "BadValue": failed(2),
    "Unauthorized": failed(13),
    "Interrupted, by an operator": failed(11601),
    "a unique index": DuplicateKeyError("x", 11000),
    "a document too large": WriteError("x", 10334),
    "several, of which each has its own code": BulkWriteError({"writeErrors": [{"code": 11000}]}),
    "a use of the driver that does not exist": InvalidOperation("x"),
    "a name that does not exist": InvalidName("x"),
    "none of the driver's": ConnectionError("x"),
}


@pytest.mark.parametrize("error", [pytest.param(error, id=why) for why, error in NOT_THERE.items()])
def test_the_database_not_the_request_is_at_fault(error: Any) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [pytest.param(error, id=why) for why, error in WRONG.items()])
def test_the_request_not_the_database_is_at_fault(error: Any) -> None:
    assert not is_transient(error)

"""A caller whose clock differs from the service's is told so, and by how much."""

import datetime
import json
from typing import Any

import pytest

from touchstone.rpc import client as module
from touchstone.rpc.client import Client
from touchstone_contracts.errors import DeadlineExceeded, Refusal, Unauthenticated

pytestmark = pytest.mark.usefixtures("fixed_time")


class Service:
    """Answers as services do: by a clock that is `ahead_s` ahead of the caller's."""

    ahead_s = 0.0
    refuses: Refusal | None = None
    calls = 0
    usable = True

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def call(self, _method: str, _body: bytes, headers: dict[str, Any], _until: float) -> bytes:
        Service.calls += 1
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.ahead_s)
        late_s = now.timestamp() - headers["nameko.deadline"] / 1000
        refusal = self.refuses or (DeadlineExceeded(f"It passed {late_s:.1f} s ago.") if late_s > 0 else None)
        error = refusal.as_dict() | {"service_time": now.isoformat()} if refusal else None
        return json.dumps({"result": None if error else "done", "error": error}).encode()

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> type[Service]:
    monkeypatch.setattr(module, "RpcConnection", Service)
    monkeypatch.setattr(module, "_OTHER_CLOCK_S", 0.2)
    Service.ahead_s, Service.refuses, Service.calls = 0.0, None, 0
    return Service


def call() -> Any:
    return Client("amqp://127.0.0.1:1/").certification.get_case(case_id="a", timeout_s=20)


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [(60, "This machine's clock is 60 s behind the service's: set it."), (86400, "clock is 86400 s behind")],
)
def test_a_clock_that_is_slow_is_named_with_the_refused_deadline(service: type[Service], ahead_s: float, said: str):
    service.ahead_s = ahead_s

    with pytest.raises(DeadlineExceeded) as refused:
        call()

    assert said in str(refused.value) and str(refused.value) == refused.value.message
    assert 1 < service.calls < 10  # the next one may come to a replica whose clock is right


@pytest.mark.parametrize(
    ("ahead_s", "said"), [(300, "clock is 300 s behind the service's"), (-60, "clock is 60 s ahead of the service's")]
)
def test_a_wrong_clock_is_named_with_a_token_that_is_not_valid(service: type[Service], ahead_s: float, said: str):
    service.ahead_s, service.refuses = ahead_s, Unauthenticated("The token has expired.")

    with pytest.raises(Unauthenticated, match=said):
        call()


@pytest.mark.parametrize("ahead_s", [0.0, 0.9, -0.9, 19.0])
def test_a_clock_that_is_right_or_does_no_harm_is_not_spoken_of(service: type[Service], ahead_s: float):
    service.ahead_s = ahead_s

    assert call() == "done"


def test_of_a_token_that_is_not_valid_the_clock_is_not_blamed_where_it_is_right(service: type[Service]):
    service.refuses = Unauthenticated("The token is meant for somebody else.")

    with pytest.raises(Unauthenticated) as refused:
        call()

    assert str(refused.value) == "The token is meant for somebody else."


@pytest.mark.parametrize("said", [None, 7, "noon", "9999-12-31T23:59:59.999999-23:59"])
def test_a_service_that_does_not_say_its_time_gets_its_refusal_through(said: Any):
    error = DeadlineExceeded("It passed.").as_dict() | {"service_time": said}

    with pytest.raises(DeadlineExceeded, match="It passed"):
        module._result(json.dumps({"result": None, "error": error}).encode(), sent_at=0.0)

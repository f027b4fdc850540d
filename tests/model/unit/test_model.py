"""Nothing is lost and nothing doubled, whatever order, repetition and trouble the bus and the processes meet.

A hypothesis state machine over the four services' own handlers on databases in memory, joined by a bus that loses,
repeats and reorders (`tests/model/simulation`). `make test LONG=1` runs EXAMPLES examples of STEPS steps, `make test`
and `make check` some of them; `TOUCHSTONE_MODEL_EXAMPLES=5000 TOUCHSTONE_MODEL_STEPS=50` asks for more.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from simulation.machine import Scheme

from touchstone_testing.examples import examples

pytestmark = pytest.mark.usefixtures("fixed_time")

EXAMPLES = int(os.environ.get("TOUCHSTONE_MODEL_EXAMPLES", examples(100)))
STEPS = int(os.environ.get("TOUCHSTONE_MODEL_STEPS", "30"))


@pytest.mark.timeout(max(300, EXAMPLES * 5))
def test_nothing_is_lost_and_nothing_doubled_in_any_order_and_with_any_trouble() -> None:
    run_state_machine_as_test(
        Scheme,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

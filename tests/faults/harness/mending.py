"""Does what an operator does after a queue was lost: has the reconciler look for discrepancies and mend them."""

from harness.workload import Say

from touchstone_devkit.system.runner import System

GRACE_S = 10
"""An event that is younger may still be under way. By default a minute."""


def reconcile(system: System, say: Say) -> None:
    """One round of `touchstone reconcile --mend`."""
    command = ("touchstone", "reconcile", "--mend", "--role", "operator", "--since", "15m", "--grace", str(GRACE_S))
    done = system.run(*command)
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    say(f"touchstone reconcile --mend: exit {done.returncode}; {' '.join(last)}")

"""Does what an operator does after a queue was lost: has the reconciler look for differences and mend them."""

from harness.workload import Say

from touchstone_devkit.runner import System


def reconcile(system: System, say: Say) -> None:
    """Runs `touchstone reconcile --mend`."""
    done = system.run("touchstone", "--role", "operator", "reconcile", "--mend")
    say(f"touchstone reconcile --mend: exit {done.returncode}; {(done.stdout + done.stderr).strip()[-300:]}")

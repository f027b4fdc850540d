"""Evaluates Erlang in a broker node, as `rabbitmqctl eval` does, but without starting a second virtual machine."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 60
NOT_REACHED = "failed to connect"
ATTEMPTS, PAUSE_S = 5, 0.3
"""A node under load, or one that has not noticed yet that the caller before has left, turns a caller away."""


class EvaluationFailed(RuntimeError):
    """The node could not be reached, or raised; the message is what it said."""


class ErlangCalls:
    """Calls into one node by its distribution port, so that they also reach a node that is cut off from the others."""

    def __init__(self, dist_port: int, environment: Mapping[str, str]) -> None:
        program = shutil.which("erl_call", path=environment["PATH"])
        if program is None:
            raise EvaluationFailed("Erlang is here without erl_call (its package: erlang-base)")
        self._command = [program, "-address", f"127.0.0.1:{dist_port}", "-timeout", str(TIMEOUT_S), "-e"]
        self._environment = dict(environment)

    def evaluate(self, expressions: str) -> str:
        """The value of the last expression as Erlang prints it. Raises EvaluationFailed."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._evaluate(expressions)
            except EvaluationFailed as failure:
                if NOT_REACHED not in str(failure):
                    raise
            time.sleep(PAUSE_S)
        return self._evaluate(expressions)

    def _evaluate(self, expressions: str) -> str:
        try:
            done = subprocess.run(
                self._command,
                input=f"{expressions}.\n",
                env=self._environment,
                cwd=Path(self._environment["HOME"]),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S + 5,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EvaluationFailed(f"no answer within {TIMEOUT_S} s") from error
        said = done.stdout.strip()
        if done.returncode != 0 or not said.startswith("{ok, "):
            raise EvaluationFailed(f"{said} {done.stderr.strip()}".strip() or f"erl_call ended with {done.returncode}")
        return said.removeprefix("{ok, ").removesuffix("}")

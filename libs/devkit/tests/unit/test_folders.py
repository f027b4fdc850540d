"""What a run stores goes with the run, also where it is put elsewhere."""

from pathlib import Path

import pytest

from touchstone_devkit import folders
from touchstone_devkit.folders import DATA, new_run_folder
from touchstone_devkit.processes.leftovers import Ledger, end_run


@pytest.mark.usefixtures("fixed_time")
def test_data_that_is_put_elsewhere_is_removed_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory"
    monkeypatch.setattr(folders, "RUNS", tmp_path / "run")
    monkeypatch.setenv("TOUCHSTONE_DATA", str(memory))
    folder = new_run_folder()
    ledger = Ledger(folder)
    (folder / DATA / "mongod").mkdir(parents=True)
    there = [*memory.glob("*/mongod")]

    ledger.close()
    end_run(folder)

    assert len(there) == 1
    assert [*memory.iterdir()] == [] and not (folder / DATA).exists() and folder.exists()

"""Snapshots on disk: durable or not there, the newest valid one is read, strangers are refused."""

import os
import random
import stat
from pathlib import Path

import pytest

from tallystick._engine import Engine, check_config
from tallystick.daemon.snapshots import SnapshotFolder, check_belongs, holder_of
from tallystick.errors import SnapshotUnfit, SnapshotWriteError

EVENT = b'{"id":"%d","source":"wms","type":"stock.received","sku":"A","location":"L","quantity":1}'


def snapshot(sequence: int, *, config: str = "", stream: str = "EVENTS") -> bytes:
    engine = Engine(config)
    engine.apply([EVENT % number for number in range(sequence)], 1, 1_700_000_000_000_000_000, hold_output=True)
    engine.set_note("input.stream", stream)
    engine.flush(stream)
    return engine.snapshot()


def test_the_newest_is_read_and_three_are_kept(tmp_path: Path) -> None:
    with SnapshotFolder(tmp_path / "new") as folder:
        assert folder.newest() is None
        for sequence in (1, 2, 9, 10):
            folder.write(snapshot(sequence), sequence)
        newest = folder.newest()
        assert newest is not None
        assert (newest.sequence, newest.facts["sequence"]) == (10, 10)
        assert [path.name for path in folder.paths()] == [f"snapshot-{n:020}.tally" for n in (10, 9, 2)]
        mode = stat.S_IMODE(newest.path.stat().st_mode)
        assert mode == 0o600, "it holds the key of the idempotency table"


def test_torn_and_flipped_ones_are_passed_over(tmp_path: Path, rng: random.Random) -> None:
    with SnapshotFolder(tmp_path) as folder:
        folder.write(snapshot(1), 1)
        whole = snapshot(2)
        newer = folder.write(whole, 2)
        damaged = [whole[: rng.randrange(len(whole))] for _ in range(40)] + [b""]
        for _ in range(200):
            place = rng.randrange(len(whole))
            damaged.append(whole[:place] + bytes([whole[place] ^ (1 << rng.randrange(8))]) + whole[place + 1 :])
        for data in damaged:
            newer.write_bytes(data)
            found = folder.newest()
            assert found is not None
            assert found.sequence == 1


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "snapshot-00000000000000000005.part").write_bytes(b"half")
    with SnapshotFolder(tmp_path) as folder:
        assert folder.newest() is None
        assert not list(tmp_path.glob("*.part"))


def test_one_daemon_per_folder(tmp_path: Path) -> None:
    us = rf"process {os.getpid()} on \S+"
    in_use = pytest.raises(SnapshotUnfit, match=rf"in use by another daemon \({us}\); stop that one")
    with SnapshotFolder(tmp_path), in_use, SnapshotFolder(tmp_path):
        pass
    with SnapshotFolder(tmp_path):
        pass


def test_who_holds_a_folder_is_told_by_its_lock_and_not_by_what_stands_in_it(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "nowhere") is None
    assert holder_of(tmp_path) is None
    with SnapshotFolder(tmp_path):
        assert (holder_of(tmp_path) or "").startswith(f"process {os.getpid()} on ")
        (tmp_path / ".lock").write_text("process 7", "utf-8")
        assert holder_of(tmp_path) == "a process", "what was not written whole names nobody"
    assert holder_of(tmp_path) is None, "a killed one leaves its name and no lock"
    with SnapshotFolder(tmp_path):
        assert (holder_of(tmp_path) or "").startswith(f"process {os.getpid()} on ")


def test_strangers_are_refused(tmp_path: Path) -> None:
    with SnapshotFolder(tmp_path) as folder:
        folder.write(snapshot(3), 3)
        found = folder.newest()
    assert found is not None
    check_belongs(found, fingerprint=check_config(""), stream="EVENTS")
    other = check_config('{"engine": {"negative_stock": "refuse"}}')
    with pytest.raises(
        SnapshotUnfit, match=r"another configuration .*; restore the settings .* or move the folder away"
    ):
        check_belongs(found, fingerprint=other, stream="EVENTS")
    with pytest.raises(SnapshotUnfit, match="made from stream EVENTS, not OTHER"):
        check_belongs(found, fingerprint=check_config(""), stream="OTHER")


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_fails_ends_it_and_the_one_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with SnapshotFolder(tmp_path) as folder:
        folder.write(snapshot(1), 1)
        data = snapshot(2)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(SnapshotWriteError, match="No space left on device; make room there"):
                folder.write(data, 2)
        found = folder.newest()
        assert found is not None
        assert found.sequence == 1


def test_a_disk_that_takes_little_at_a_time_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    with SnapshotFolder(tmp_path) as folder:
        folder.write(snapshot(4), 4)
        found = folder.newest()
        assert found is not None
        assert found.sequence == 4


@pytest.mark.parametrize("place", [0, 1 << 20, -1])
def test_a_disk_that_changes_what_it_takes_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    write = os.write

    def change(file: int, data: memoryview) -> int:
        changed = bytearray(data)
        changed[place] ^= 1
        return write(file, changed)

    with SnapshotFolder(tmp_path) as folder:
        folder.write(snapshot(1), 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", change)
            with pytest.raises(SnapshotWriteError, match="not read back as written"):
                folder.write(bytes((1 << 20) + 1), 2)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, data: write(file, data[:-1]) + 1)
            with pytest.raises(SnapshotWriteError, match="not read back as written"):
                folder.write(snapshot(2), 2)
        found = folder.newest()
        assert found is not None
        assert found.sequence == 1

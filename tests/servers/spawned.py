"""
The scripted server as a process of its own, for tests in which something is killed, be it the client or the server.

    with SpawnedServer(folder, [Rule("dot", StoreThenHang(), nth=3)]) as server:
        ...                                  # 127.0.0.1, server.port
        server.wait_for("dot", 3)
        client.kill()
    assert len(server.taken()) == 3

What it saw is read from its folder, so that it can be asked after its death, and of several that ran there together.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from tests.servers.available import wait
from tests.servers.record import Record, Taken, events, read_record, read_taken
from tests.servers.rules import Rule, to_json
from tests.servers.scripted import HOST

_REPOSITORY = Path(__file__).resolve().parents[2]


class SpawnedServer:
    """A process with `python -m tests.servers.scripted`; `options` are that command's own."""

    def __init__(self, store: Path, script: Iterable[Rule] = (), *, port: int = 0, options: Sequence[str] = ()) -> None:
        self.host = HOST
        self.port = port
        self.store = store
        self._script = list(script)
        self._options = options

    def start(self) -> None:
        self.store.mkdir(parents=True, exist_ok=True)
        script = self.store / "script.json"
        script.write_text(to_json(self._script), encoding="utf-8")
        command = [sys.executable, "-m", "tests.servers.scripted", f"--store={self.store}", f"--script={script}"]
        self.process = subprocess.Popen(
            [*command, f"--port={self.port}", *self._options], cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        port = self.process.stdout.readline().strip()
        if not port:
            self.process.stdout.close()
            raise RuntimeError(f"the scripted server did not start: exit {self.process.wait()}")
        self.port = int(port)

    def stop(self) -> None:
        """SIGTERM and wait. Raises: RuntimeError when the server itself had failed."""
        self._end(signal.SIGTERM)
        if self.process.returncode > 0:
            raise RuntimeError(f"the scripted server failed: exit {self.process.returncode}")

    def kill(self) -> None:
        """SIGKILL and wait; what it had answered is in its folder. `start` starts it again on the same port."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        assert self.process.stdout is not None
        self.process.send_signal(by)
        self.process.wait(30)
        self.process.stdout.close()

    def __enter__(self) -> "SpawnedServer":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.stop()

    def taken(self) -> list[Taken]:
        return read_taken(self.store)

    def record(self) -> Record:
        return read_record(self.store)

    def wait_for(self, verb: str, times: int = 1, seconds: float = 30) -> None:
        """Wait until that verb was met so often in all. Raises: AssertionError."""
        if not wait(lambda: self._seen()[verb] >= times, seconds):
            raise AssertionError(f"not {times} x {verb} within {seconds} s, but {dict(self._seen())}")

    def _seen(self) -> Counter[str]:
        return Counter(event["verb"] for event in events(self.store) if event["event"] == "saw")

"""One `convert worker`: a process that keeps its models loaded, and answers lines with lines (docs/formats.md)."""

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convert_labels._cluster.schedule import FAILED, PREEMPTED, TRANSIENT
from convert_labels._environment import environment
from convert_labels._executable import executable

PATIENCE = 15.0
"""Seconds for a worker to end after SIGTERM; it promises ten."""
_SET_PARENT_DEATH_SIGNAL = 1


class Worker:
    """A worker's process. It ends with this one, however this one ends.

    Ray's actors are of this class; it knows nothing of Ray.
    """

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str], folder: str) -> None:
        """Starts `convert worker` with these arguments.

        Args:
            arguments: Of `convert worker`.
            variables: Environment variables beside those of this process, such as the ones that the recipe names.
            folder: Where relative paths are looked for, if it exists here.
        """
        self._progress: tuple[int, int, int] | None = None
        self._said: deque[str] = deque(maxlen=200)
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._stopping = False
        begun = threading.Event()
        # The parent whose death ends the child is the thread that started it: one that lives as long as the child does.
        threading.Thread(target=self._keep, args=(list(arguments), dict(variables), folder, begun), daemon=True).start()
        begun.wait()

    def ready(self) -> dict[str, Any]:
        """Waits until the worker is ready, and returns what it then says: `samples_key`, `pid`.

        One that could not begin has `gone`, `outcome` and `error`.
        """
        answer = self._answers.get()
        return self._gone() if answer is None else answer

    def work(self, request: dict[str, Any]) -> dict[str, Any]:
        """Has the worker do something, and waits for its answer. One whose worker is gone has `gone`, and says how it ended."""
        assert self._process is not None and self._process.stdin is not None
        answer = None
        # A closed pipe is an end like others.
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._answers.get()
        if answer is None:
            return {"id": request["id"], **self._gone()}
        # After this answer it ends by itself.
        if answer["outcome"] == PREEMPTED:
            answer["gone"] = True
        return answer

    def progress(self) -> tuple[int, int, int] | None:
        """The request in work, how many images of it are done, and of how many; nothing where that is not known."""
        return self._progress

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._process is None or self._process.poll() is not None

    def stop(self, patience: float = PATIENCE) -> None:
        """Has the worker keep what is done and end."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()

    def close(self) -> None:
        """Ends a worker that has nothing to do."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _keep(self, arguments: list[str], variables: dict[str, str], folder: str, begun: threading.Event) -> None:
        try:
            self._process = subprocess.Popen(
                [str(executable()), "worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder if Path(folder).is_dir() else None,
                env=environment() | variables,
                # A terminal's Ctrl-C is for the driver, which then stops the workers one by one.
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )
        except OSError as error:
            self._error = error
            self._answers.put(None)
            return
        finally:
            begun.set()
        listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        listener.start()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._read(line)
        self._process.wait()
        listener.join(1.0)
        self._answers.put(None)

    def _read(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
            assert isinstance(answer, dict)
        except (ValueError, AssertionError):
            self._said.append(line.decode(errors="replace").rstrip())
            return
        if "progress" in answer:
            self._progress = (answer["id"], answer["progress"]["done"], answer["progress"]["of"])
        else:
            self._progress = None
            self._answers.put(answer)

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            # Into Ray's log of this actor.
            print(text, flush=True)

    def _gone(self) -> dict[str, Any]:
        outcome, error = self._end()
        return {"outcome": outcome, "error": error, "gone": True}

    def _end(self) -> tuple[str, str]:
        """How the worker ended: an outcome, and one line."""
        # Whoever asks next is told the same.
        self._answers.put(None)
        if self._error is not None:
            return TRANSIENT, f"cannot start {self._error.filename or 'convert'}: {self._error.strerror or self._error}"
        assert self._process is not None
        code = self._process.returncode
        errors = [line.removeprefix("error:").strip() for line in self._said if line.startswith("error:")]
        last = errors[-1] if errors else next((line for line in reversed(self._said) if line), "")
        if code == 130 or self._stopping:
            return PREEMPTED, "the worker was told to end"
        if code == 2:
            return FAILED, last
        how = f"the worker was ended by {signal.Signals(-code).name}" if code < 0 else f"the worker ended with code {code}"
        return TRANSIENT, f"{how}: {last}" if last else how


def _end_with(parent: int) -> Any:
    """What a child does before it becomes another program: asks to be killed when its parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        # The parent may have ended before.
        if os.getppid() != parent:
            os._exit(1)

    return ask

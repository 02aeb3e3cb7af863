"""A server of somebody else's, started for a test on loopback and ended with it."""

import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

# Phoenix takes half a minute to start where processors are busy.
STARTS_WITHIN = 180
# Far more than anything takes; reached only when something is broken.
DEADLINE = 30


def free_port():
    """Below those that the system hands out by itself, so that nobody is given it before it is used."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def until(ask, holds, within=DEADLINE):
    """What `ask` gives, once something holds of it."""
    deadline = time.monotonic() + within
    while True:
        found = ask()
        if holds(found):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {within} s it is still {found}")
        time.sleep(0.2)


class Server:
    """A context manager: a process in a new directory, which goes with it."""

    def __init__(self, ready, command, env=None, prepare=None):
        """`ready` is a URL that is answered once it serves; the command and the values of `env` may name {directory},
        which `prepare` puts something into.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="cometgate-backend-"))
        self._log = self.directory / "log"
        if prepare:
            prepare(self.directory)
        fill = lambda text: str(text).replace("{directory}", str(self.directory))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [fill(word) for word in command],
                env=env and {name: fill(value) for name, value in env.items()},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: self._is_ready(ready), bool, STARTS_WITHIN)
        except BaseException:
            print(self._log.read_text(), flush=True)
            self.__exit__()
            raise

    def _is_ready(self, url):
        if self._process.poll() is not None:
            raise AssertionError(f"it ended with {self._process.returncode} before it served")
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE):
                return True
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory)

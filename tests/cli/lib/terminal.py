"""A program on a pseudo-terminal, for tests: type, wait for text (never longer than a bound), look at all it wrote."""
import os
import pty
import re
import select
import signal
import struct
import sys
import fcntl
import termios
import time

BOUND_S = 20


class Terminal:
    def __init__(self, arguments, columns=100, rows=30, environment=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8"}, **(environment or {}))
            os.execv(arguments[0], arguments)
        self.text = ""
        self.seen = 0  # waits look behind this
        self.resize(columns, rows)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side has ended
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def wait(self, pattern):
        """Until the pattern (a regular expression) shows behind what was waited for before."""
        end = time.monotonic() + BOUND_S
        while True:
            found = re.compile(pattern, re.S).search(self.text, self.seen)
            if found:
                self.seen = found.end()
                return found
            if time.monotonic() > end or not self._read(0.2):
                self.fail(f"waited for {pattern!r}")

    def leave(self, expected=0):
        """Until it has ended, with this exit code."""
        end = time.monotonic() + BOUND_S
        while time.monotonic() < end and self._read(0.2):
            pass
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                break
            if time.monotonic() > end:
                self.fail("it does not end")
            time.sleep(0.02)
        self.pid = 0
        if os.waitstatus_to_exitcode(status) != expected:
            self.fail(f"it ended with {os.waitstatus_to_exitcode(status)}, not {expected}")

    def fail(self, why):
        print(f"{why}; it wrote, from where the last wait ended:\n{self.text[self.seen:]!r}\nand before that:\n{self.text[:self.seen][-2000:]}")
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        sys.exit(1)

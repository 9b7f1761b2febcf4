"""Shared and exclusive locks on files, dropped by the operating system when their process dies."""

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    class _Overlapped(ctypes.Structure):
        _fields_ = [
            ("Internal", ctypes.c_void_p),
            ("InternalHigh", ctypes.c_void_p),
            ("Offset", wintypes.DWORD),
            ("OffsetHigh", wintypes.DWORD),
            ("hEvent", wintypes.HANDLE),
        ]

    def _take(fd: int, exclusive: bool) -> bool:
        kernel, handle, whole = ctypes.windll.kernel32, msvcrt.get_osfhandle(fd), _Overlapped()
        kernel.UnlockFileEx(wintypes.HANDLE(handle), 0, 1, 0, ctypes.byref(whole))
        flags = 1 | (2 if exclusive else 0)  # LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK
        return bool(kernel.LockFileEx(wintypes.HANDLE(handle), flags, 0, 1, 0, ctypes.byref(whole)))
else:
    import fcntl

    def _take(fd: int, exclusive: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """A lock on ``path``: many processes share it, or one has it alone. The file itself stays.

    Flock belongs to the open file, which a forked child inherits: a child that keeps the file open keeps the
    lock, one that changes it changes its parent's. A child therefore calls ``close`` first and opens its own.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock file, making it if there is none.

        Raises:
            OSError: the file can neither be made nor opened.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except PermissionError:  # made by root in this user's directory: reading is enough for flock
            self._fd = os.open(path, os.O_RDONLY)

    def take(self, *, exclusive: bool, seconds: float = 0) -> bool:
        """Take the lock, or change the one held, within ``seconds``; return whether it was got.

        When a change fails, the lock held before is lost too.
        """
        end = time.monotonic() + seconds
        while not _take(self._fd, exclusive):
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

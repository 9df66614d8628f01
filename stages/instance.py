"""One pipeline a data directory: a System V semaphore with SEM_UNDO, which the kernel gives back after SIGKILL.

The semaphore's key is derived from the data directory's path. Value 1: free. The holder's pid is the last
process that changed it.
"""

from __future__ import annotations

import sysv_ipc

from ringbuffer.liveness import process_start_time

__all__ = ["AlreadyRunning", "InstanceLock", "holder_of"]

MAX_ATTEMPTS = 8


class AlreadyRunning(Exception):
    """Another supervisor holds the data directory."""

    def __init__(self, data_dir: str, pid: int) -> None:
        super().__init__(f"{data_dir}: expected no running pipeline, but process {pid} runs one")
        self.pid = pid


class InstanceLock:
    """Held from construction until :meth:`release`, or until this process is gone."""

    def __init__(self, identity: str, data_dir: str) -> None:
        self._key = _key_of(identity)
        for _ in range(MAX_ATTEMPTS):
            try:
                semaphore = self._open()
                semaphore.undo = True
                semaphore.block = False  # a timeout of 0 blocks where sysv_ipc was built without semtimedop
                semaphore.acquire()
            except sysv_ipc.BusyError:
                raise AlreadyRunning(data_dir, self._holder(semaphore)) from None
            except sysv_ipc.ExistentialError:
                continue  # removed by an owner that just stopped
            self._semaphore = semaphore
            return
        raise AlreadyRunning(data_dir, 0)

    def _open(self) -> sysv_ipc.Semaphore:
        try:
            return sysv_ipc.Semaphore(self._key, sysv_ipc.IPC_CREX, mode=0o600, initial_value=1)
        except sysv_ipc.ExistentialError:
            return sysv_ipc.Semaphore(self._key)

    @staticmethod
    def _holder(semaphore: sysv_ipc.Semaphore) -> int:
        try:
            pid = int(semaphore.last_pid)
        except sysv_ipc.Error:
            return 0
        return pid if process_start_time(pid) else 0

    def release(self) -> None:
        """Give the lock back and remove the semaphore."""
        try:
            self._semaphore.remove()
        except sysv_ipc.Error:
            pass  # removed by hand: nothing is held any more


def holder_of(identity: str) -> int:
    """Return the pid of the process that holds the lock, 0 if none does; takes nothing."""
    try:
        semaphore = sysv_ipc.Semaphore(_key_of(identity))
        return InstanceLock._holder(semaphore) if semaphore.value == 0 else 0
    except sysv_ipc.Error:
        return 0


def _key_of(identity: str) -> int:
    return int(identity, 16) & 0x7FFFFFFF | 1

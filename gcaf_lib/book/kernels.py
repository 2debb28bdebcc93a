"""Kernels for the chapters that begin with their imports done: each is forked from a server that has imported once.

Importing was a third of what executing the book took. A forked kernel is a process of its own like any other: its server has run
nothing but those imports, and of the library it has what lies around this room. For Linux, where what has only been imported may be forked.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
import types
from importlib.metadata import EntryPoint
from multiprocessing.context import ForkServerProcess
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "gcaf-forked"
# what the chapters' imports take their time with; of the library nothing, which reads the environment
IMPORTS = [
    "ipykernel.kernelapp",
    "matplotlib.backends.backend_svg",
    "scipy.stats",
    "sklearn.model_selection",
    "cv2",
]


def register() -> dict[str, Any]:
    """Make the provisioner known to this process; returns the kernel spec's metadata that asks for it."""
    place = EntryPoint(NAME, f"{__name__}:Forked", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.instance().provisioners[NAME] = place
    return {"kernel_provisioner": {"provisioner_name": NAME}}


class Forked(LocalProvisioner):
    """Jupyter's own way with a kernel on this machine, but for how its process begins."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        environment = kwargs["env"]
        # JAX says of itself that it must not be forked
        backend = ["keras"] * (environment.get("KERAS_BACKEND", "tensorflow") == "tensorflow")
        multiprocessing.set_forkserver_preload([*IMPORTS, *backend])
        words = cmd[cmd.index("ipykernel_launcher") + 1 :]
        child = _Child(target=_kernel, args=(words, str(kwargs.get("cwd", os.getcwd())), environment))
        try:
            child.start()
        except (OSError, EOFError):
            # no server: a long path of temporary files, a sandbox, an import that fails
            return await super().launch_kernel(cmd, **kwargs)
        # this process would wait for its children at its end, and the kernel waits for the end of this process
        multiprocessing.util.Finalize(None, _end, args=(child,), exitpriority=10)
        self.process, self.pid, self.pgid = child, child.pid, child.pid
        return self.connection_info


class _Child(ForkServerProcess):
    """A process with the names that Jupyter knows from `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def start(self) -> None:
        # or the child would execute the caller's script, as any child of multiprocessing's does
        main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _end(child: _Child) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _end_with(asker: Any) -> None:
    asker.join()
    os.killpg(0, signal.SIGKILL)


def _kernel(words: list[str], cwd: str, environment: dict[str, str]) -> None:
    from ipykernel.kernelapp import launch_new_instance

    # joblib's workers have another, under which a progress bar's lock is a named one, left behind where the kernel is killed
    multiprocessing.set_start_method("fork", force=True)
    gc.freeze()  # what is imported is no garbage: not to be searched for it again and again
    os.setsid()  # what it starts ends with it, and what a terminal sends to the caller does not reach it
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["ipykernel_launcher", *words]
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    # a kernel that is told its parent prints no advice on how to end it; the server is, and stays while it has children
    launch_new_instance([*words, f"--IPKernelApp.parent_handle={os.getppid()}"])

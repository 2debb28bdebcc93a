"""Kernels for the chapters that begin with their imports done: each is forked from a server that has imported once.

Importing is a third of what executing the book takes. A forked kernel is a process of its own like any other; it has not
run anything but those imports. For Linux, where a process that has only imported these may be forked.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
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
    """Make the provisioner known to this process; returns the kernel spec's metadata that asks for it, where it can be had."""
    if sys.platform != "linux":
        return {}
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
        except OSError:  # no socket for the server: a long path of temporary files, a sandbox
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid = child, child.pid
        return self.connection_info


class _Child(ForkServerProcess):
    """A process with the names that Jupyter knows from `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _end_with(asker: Any) -> None:
    asker.join()
    os._exit(1)


def _kernel(words: list[str], cwd: str, environment: dict[str, str]) -> None:
    from ipykernel.kernelapp import launch_new_instance

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["ipykernel_launcher", *words]
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    # a kernel that is told its parent prints no advice on how to end it; the server is, and stays while it has children
    launch_new_instance([*words, f"--IPKernelApp.parent_handle={os.getppid()}"])

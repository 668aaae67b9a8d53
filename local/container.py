"""A container without an engine, to see what an image does. Enters: its files and its configuration. Leaves: a process.

It is in namespaces of its own: it is process 1, and its root is read-only as in the cluster; /tmp and its home are in
memory. The network is this machine's, where the emulators listen. For root on Linux alone, since it mounts.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.processes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Arguments: root, user, group, home, a file to show as /tmp/key.json; then what is run in there.
_ENTER = """
set -e
root=$1 user=$2 group=$3 home=$4 key=$5
shift 5
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o "uid=$user,gid=$group" tmpfs "$root$home"
install -m 444 "$key" "$root/tmp/key.json"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user:$group" "$root" env -i "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an engine would read of an image."""

    #: Its files, as a folder.
    root: Path
    #: Who runs in it, as numbers.
    user: int
    group: int
    workdir: str
    entrypoint: tuple[str, ...]
    #: ``NAME=value``.
    env: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, config: Mapping[str, object]) -> Self:
        """From the configuration of an OCI image.

        Raises:
            ValueError: no user by number, no entry point in exec form.
        """
        user, colon, group = str(config.get("User", "")).partition(":")
        entrypoint, env = config.get("Entrypoint"), config.get("Env")
        if not (colon and user.isdecimal() and group.isdecimal() and int(user)):
            raise ValueError(f"An image runs as a user by number, and not as root: {config.get('User')!r}")
        if not isinstance(entrypoint, list) or not isinstance(env, list):
            raise ValueError("An image has an entry point in exec form, and an environment.")  # noqa: TRY004
        return cls(
            root=root,
            user=int(user),
            group=int(group),
            workdir=str(config["WorkingDir"]),
            entrypoint=tuple(map(str, entrypoint)),
            env=tuple(map(str, env)),
        )


class Container(ChildProcess):
    """An image that runs, from its construction until `stop`."""

    def __init__(self, image: Image, *, name: str, env: Mapping[str, str], key: Path, log_path: Path) -> None:
        """Start its entry point.

        Args:
            image: which.
            name: for people.
            env: on top of the image's own; paths are those inside.
            key: a file that lies at /tmp/key.json inside.
            log_path: takes what it says.
        """
        inside = ["-C", image.workdir, *image.env, *(f"{key}={value}" for key, value in env.items()), *image.entrypoint]
        whose = [str(image.user), str(image.group), "/cache"]
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter"]
        super().__init__(name=name, argv=[*argv, str(image.root), *whose, str(key), *inside], log_path=log_path)

    def tell_to_go(self) -> None:
        """SIGTERM to process 1 of the container and to nobody else, as Kubernetes does."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        os.kill(int(children[0]), signal.SIGTERM)

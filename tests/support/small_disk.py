"""A volume of a few megabytes that only the processes of a test see: a tmpfs in a mount namespace of its own."""

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4096
HOLD = 'mount -t tmpfs -o {options} small "{folder}" && echo mounted && exec cat'


@dataclass
class SmallDisk:
    """It lasts as long as the process that holds the namespace. `within` is what a command begins with to see it.

    Needs no privilege: whoever may not mount anything may in a user namespace of his own.
    """

    folder: Path
    holder: subprocess.Popen[str]

    @classmethod
    def mount(cls, folder: Path, size: str = "4m", *, read_only: bool = False) -> "SmallDisk":
        folder.mkdir()
        script = HOLD.format(options=f"size={size},mode=755" + (",ro" if read_only else ""), folder=folder)
        holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert holder.stdout is not None
        said = holder.stdout.readline()
        assert said == "mounted\n", f"this machine allows no namespace of one's own: {said}"
        return cls(folder, holder)

    @property
    def within(self) -> tuple[str, ...]:
        namespaces = ("--user", "--mount", "--preserve-credentials")
        return ("nsenter", "--target", str(self.holder.pid), *namespaces)

    @property
    def seen(self) -> Path:
        """Where its files are, for those outside."""
        return Path(f"/proc/{self.holder.pid}/root{self.folder}")

    def fill(self) -> None:
        """Nothing more fits."""
        with suppress(OSError), (self.seen / "ballast").open("ab", buffering=0) as file:
            while file.write(bytes(PAGE_BYTES)):
                pass

    def empty(self) -> None:
        """There is room again."""
        (self.seen / "ballast").unlink()

    def unmount(self) -> None:
        assert self.holder.stdin is not None
        assert self.holder.stdout is not None
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()

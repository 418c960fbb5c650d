"""The list of planted bugs, and a copy of the repository in which one at a time is planted."""

import compileall
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LIST = Path(__file__).with_name("list.toml")
TIME_LIMIT_SECOND = 60.0
"""A test that has not failed by then has not caught its bug."""
WHERE = "import daemon as a, drivers as b, tests.support.plans as c; print(a.__file__, b.__file__, c.__file__)"
FAILED, PASSED = 1, 0
"""What pytest answers with."""


@dataclass(frozen=True)
class Mutant:
    """A bug: the file it is in, what it breaks, the text it changes and what to; and the test that must fail."""

    file: str
    breaks: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        module = Path(self.file).with_suffix("").as_posix()
        return f"{module.partition('/')[2] or module}: {self.breaks}"


@dataclass(frozen=True)
class Ended:
    """How tests ended: pytest's answer, None when they did not end in time; what they said, and how long they took."""

    answer: int | None
    said: str
    lasted_second: float

    @property
    def verdict(self) -> str:
        """Of a planted bug: "broken" means that the test could not even begin."""
        return {FAILED: "caught", PASSED: "SURVIVED", None: "HUNG"}.get(self.answer, "BROKEN")


def mutants(path: Path = LIST) -> list[Mutant]:
    """All of a list."""
    files = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Mutant(file, **said) for file, planted in files.items() for said in planted]


class Copy:
    """The repository as it lies there, committed or not, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Of a folder that holds one."""
        self.folder = folder
        self._environment = os.environ | {"PYTHONPATH": str(folder)}

    @classmethod
    def make(cls, folder: Path) -> "Copy":
        """Raises `RuntimeError` unless what is imported in it comes from it."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, folder / name)
        # By its hash: a bug that is as long as what it replaces is planted within the second a file's time is kept to.
        by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(folder, quiet=2, invalidation_mode=by_hash)
        return cls(folder).checked()

    def again(self, folder: Path) -> "Copy":
        """Another one just like it."""
        shutil.copytree(self.folder, folder)
        return Copy(folder).checked()

    def checked(self) -> "Copy":
        """This copy. Raises as `make`."""
        said = subprocess.run(
            [sys.executable, "-c", WHERE],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        if not all(name.startswith(f"{self.folder}{os.sep}") for name in said.stdout.split()):
            raise RuntimeError(f"what is tested is not the copy in {self.folder} but {said.stdout}")
        return self

    @contextmanager
    def with_planted(self, mutant: Mutant) -> Iterator[None]:
        """The bug is in it as long as this lasts. Raises `ValueError` unless its old text stands there once."""
        path = self.folder / mutant.file
        intact = path.read_text(encoding="utf-8")
        if intact.count(mutant.old) != 1:
            raise ValueError(f"{mutant}: its old text stands {intact.count(mutant.old)} times in {mutant.file}")
        path.write_text(intact.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(intact, encoding="utf-8")

    def run(self, *tests: str, within_second: float = TIME_LIMIT_SECOND) -> Ended:
        """Run tests up to the first that fails."""
        began_second = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", *tests],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=within_second)
            answer: int | None = process.returncode
        except subprocess.TimeoutExpired:
            said, answer = "", None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return Ended(answer, said, time.perf_counter() - began_second)

    def try_out(self, mutant: Mutant) -> Ended:
        """Plant a bug, and run its test."""
        with self.with_planted(mutant):
            return self.run(mutant.test)

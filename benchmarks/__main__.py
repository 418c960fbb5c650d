"""All benchmarks, one after the other: `make bench`. Each also runs alone, with options."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("path.py", "store.py", "publish.py", "cell_speed.py", "restart.py")


def main() -> None:
    folder = Path(__file__).parent
    for script in SCRIPTS:
        if (folder / script).exists():
            print(f"\n== {script} ==", flush=True)
            subprocess.run([sys.executable, str(folder / script)], check=True)


if __name__ == "__main__":
    main()

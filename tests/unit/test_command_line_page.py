"""The page of the command line says what the commands say."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_current():
    made = subprocess.run([sys.executable, DOCS / "make_command_line.py"], capture_output=True, text=True, check=True)
    page = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert page == made.stdout, "python docs/make_command_line.py > docs/reference/command-line.md"

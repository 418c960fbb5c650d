"""The four packages are ours, and not a namesake's that another distribution put in their place."""

import importlib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["daemon", "drivers", "protocols", "simulators"])
def test_package_is_this_repositorys_or_this_distributions(package: str) -> None:
    found = Path(importlib.import_module(package).__file__ or "").resolve()
    in_repository = found == REPOSITORY / package / "__init__.py"
    owners = packages_distributions().get(package, [])
    assert in_repository or owners == ["presscell"], (
        f"import {package} finds {found}, which belongs to {owners or 'nobody'}"
    )

"""An index of wheels on this machine, packed from what is installed here: no network is needed."""

import zipfile
from importlib import metadata
from pathlib import Path

import pytest


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make `folder` the only index, with wheels of these installed, pure packages."""
    folder.mkdir(exist_ok=True)
    for name in names:
        found = metadata.distribution(name)
        target = folder / f"{name}-{found.version}-py3-none-any.whl"
        with zipfile.ZipFile(target, "w") as wheel:
            for path in found.files or ():
                if "__pycache__" not in path.parts and path.name not in ("INSTALLER", "REQUESTED"):
                    wheel.write(str(path.locate()), str(path))
    for variable in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

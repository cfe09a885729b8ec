"""Reads the files of deploy/ as those would who run them."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"


def read_dockerfile() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, the first of which is its FROM."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            stages.append([])
        stages[-1].append((instruction, rest.strip()))
    return stages


def read_environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    """What ENV sets in a stage."""
    words = [word for instruction, rest in stage if instruction == "ENV" for word in shlex.split(rest)]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def read_compose(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services, with `variables` in the place of ${…}. Raises KeyError for one that must be set and is not."""

    def fill(match: re.Match[str]) -> str:
        name, how, default = match.group(1), match.group(2), match.group(3) or ""
        if variables.get(name):
            return variables[name]
        if how != ":-":
            raise KeyError(f"{name}: {default}")
        return default

    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", fill, text)
    services: dict[str, dict[str, Any]] = yaml.safe_load(filled)["services"]
    return services


def read_example_variables(path: Path) -> dict[str, str]:
    """The variables of a file of NAME=value lines."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}

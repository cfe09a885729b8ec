"""The files of deploy/ hold together, and name what there is."""

import json
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.deployment.recipes import (
    DEPLOY,
    ROOT,
    read_compose,
    read_dockerfile,
    read_environment,
    read_example_variables,
)
from vestnik.settings import Settings, known_variables

SECRETS = {
    "POSTGRES_PASSWORD": "p" * 32,
    "VESTNIK_SECRET_KEY": secrets.token_hex(32),
    "VESTNIK_SIMULATOR_TOKEN": "t" * 32,
}
OURS = ("api", "worker", "simulator", "migrate")


def run_help(arguments: list[str]) -> str:
    """What a command says of itself; fails if there is no such command."""
    words = [word for word in arguments if not word.startswith("-")]
    return _ask_for_help(*(words[:2] if words[0] in {"db", "user"} else words[:1]))


@cache
def _ask_for_help(*path: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vestnik", *path, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestOfTheImage:
    def test_it_is_built_in_one_stage_and_runs_in_another(self) -> None:
        build, run = read_dockerfile()
        assert build[0][1].endswith(" AS build")
        assert [rest for instruction, rest in run if instruction == "COPY"] == [
            "--from=build /opt/vestnik /opt/vestnik"
        ]
        assert not any("pip" in rest or "uv" in rest for instruction, rest in run if instruction == "RUN")

    def test_its_versions_are_pinned(self) -> None:
        stages = read_dockerfile()
        for stage in stages:
            assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+( AS build)?", stage[0][1])
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        (version,) = re.findall(r"^UV_VERSION := (\S+)$", makefile, re.MULTILINE)
        assert ("RUN", f"pip install --no-cache-dir uv=={version}") in stages[0]

    def test_it_belongs_to_an_ordinary_user_by_number(self) -> None:
        *_, run = read_dockerfile()
        (user,) = [rest for instruction, rest in run if instruction == "USER"]
        assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)

    def test_what_it_copies_is_there_and_let_in(self) -> None:
        build, _ = read_dockerfile()
        ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        assert ignore[0] == "*"
        for instruction, rest in build:
            if instruction == "COPY":
                *sources, _ = rest.split()
                for source in sources:
                    assert (ROOT / source).exists()
                    assert f"!{source}" in ignore

    def test_no_secret_and_no_unknown_setting_is_in_it(self) -> None:
        environment = read_environment(read_dockerfile()[-1])
        assert not {name for name in environment if re.search("PASSWORD|SECRET|TOKEN|URL", name)}
        assert {name for name in environment if name.startswith("VESTNIK_")} <= known_variables()

    def test_its_commands_are_ours(self) -> None:
        *_, run = read_dockerfile()
        said = dict(run)
        assert json.loads(said["ENTRYPOINT"]) == ["vestnik"]
        run_help(json.loads(said["CMD"]))
        program, *arguments = json.loads(said["HEALTHCHECK"].split(" CMD ")[1])
        assert program == "vestnik"
        run_help(arguments)


class TestOfTheComposeFile:
    def test_it_asks_for_the_secrets_that_it_needs(self) -> None:
        for name in SECRETS:
            with pytest.raises(KeyError, match=name):
                read_compose({key: value for key, value in SECRETS.items() if key != name})

    def test_the_example_names_all_that_it_takes(self) -> None:
        text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
        assert set(re.findall(r"\$\{(\w+)", text)) == set(read_example_variables(DEPLOY / ".env.example"))

    def test_there_is_everything_and_no_redis(self) -> None:
        services = read_compose(SECRETS)
        assert set(services) == {"postgres", *OURS}
        assert services["worker"]["deploy"]["replicas"] >= 2

    @pytest.mark.parametrize("name", OURS)
    def test_a_service_runs_a_command_of_ours_with_settings_of_ours(self, name: str) -> None:
        service = read_compose(SECRETS)[name]
        assert isinstance(run_help(service["command"]), str)
        for option in (word for word in service["command"] if word.startswith("--")):
            assert option in run_help(service["command"])
        assert set(service["environment"]) <= known_variables()
        check = service["healthcheck"].get("test")
        if check is not None:
            assert check[:2] == ["CMD", "vestnik"]
            run_help(check[2:])

    @pytest.mark.parametrize("name", OURS)
    def test_a_service_may_write_to_its_volume_alone_and_gain_nothing(self, name: str) -> None:
        service = read_compose(SECRETS)[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"] == ["vestnik:/var/lib/vestnik"]

    @pytest.mark.parametrize("name", OURS)
    def test_any_setting_can_be_given_to_a_service(self, name: str) -> None:
        assert read_compose(SECRETS)[name]["env_file"] == [{"path": "vestnik.env", "required": False}]
        assert "deploy/vestnik.env" in (DEPLOY / ".env.example").read_text(encoding="utf-8")

    def test_what_dies_is_started_again_and_what_is_done_is_not(self) -> None:
        services = read_compose(SECRETS)
        policies = {name: service["restart"] for name, service in services.items()}
        assert policies == dict.fromkeys(services, "unless-stopped") | {"migrate": "on-failure"}

    def test_nothing_works_before_the_schema_is_there(self) -> None:
        services = read_compose(SECRETS)
        for name in ("api", "worker"):
            assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}

    def test_only_this_machine_reaches_it(self) -> None:
        services = read_compose(SECRETS)
        assert {name for name, service in services.items() if "ports" in service} == {"api"}
        assert services["api"]["ports"] == ["127.0.0.1:3000:3000"]


UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


class TestOfTheUnits:
    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
    def test_what_dies_is_started_again_without_end(self, unit: Path) -> None:
        lines = unit.read_text(encoding="utf-8").splitlines()
        assert {"Restart=always", "RestartSec=1", "StartLimitIntervalSec=0", "User=vestnik"} <= set(lines)

    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
    def test_it_starts_a_command_of_ours(self, unit: Path) -> None:
        (start,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        program, *arguments = shlex.split(start)
        assert program == "/opt/vestnik/bin/vestnik"
        run_help(arguments)

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
    def test_systemd_understands_it(self, unit: Path, tmp_path: Path) -> None:
        """As it is, but for the program, which must exist."""
        program = shutil.which("true")
        text = unit.read_text(encoding="utf-8").replace("/opt/vestnik/bin/vestnik", str(program))
        name = unit.name.replace("@.", "@1.")
        (tmp_path / name).write_text(text)
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / name],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [
            line for line in (checked.stdout + checked.stderr).splitlines() if unit.stem.rstrip("@") in line
        ]
        assert (checked.returncode, said) == (0, []), checked.stderr

    def test_the_example_of_its_environment_names_settings_of_ours(self) -> None:
        assert set(read_example_variables(DEPLOY / "systemd" / "vestnik.env.example")) <= known_variables()


def test_every_setting_that_processes_have_to_share_is_given_to_all_of_them() -> None:
    services = read_compose(SECRETS)
    for name in ("DATABASE_URL", "VESTNIK_SECRET_KEY", "VESTNIK_TIME_ZONE"):
        assert len({services[service]["environment"][name] for service in ("api", "worker")}) == 1
    assert "VESTNIK_SECRET_KEY" in {str(field.validation_alias) for field in Settings.model_fields.values()}

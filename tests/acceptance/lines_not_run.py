"""What pages show for a shell and no test runs as it stands there: why not, and what runs the same otherwise."""

from collections.abc import Mapping
from typing import Final

from tests.acceptance.page_reader import NotRun

ENGINE: Final = NotRun(
    reason="there is no Docker Engine; that test runs the commands of the files without one",
    test="tests/deployment/test_image.py",
)
BOOTED: Final = NotRun(
    reason="it changes the machine, which has to be booted by systemd; that test has systemd read the units",
    test="tests/deployment/test_recipes.py",
)
WINDOWS: Final = NotRun(
    reason="it is for Windows; that test installs by uv and by wheel here",
    test="tests/acceptance/test_wheel.py",
)
MEASURES: Final = NotRun(
    reason="it takes minutes or hours; that test has the program read what the page asks for",
    test="tests/unit/benchmarks/test_options.py",
)
BY_CI: Final = NotRun(reason="CI runs it: before the tests, after them, or as them", test=".ci/run")
THERE: Final = NotRun(
    reason="a program of the predecessor's; that test has its worker running and stopped",
    test="tests/migration/test_refusals.py",
)
ELSEWHERE: Final = NotRun(
    reason="that test reads it from the page and runs it with PostgreSQL's programs that Vestnik brings",
    test="tests/integration/cli/test_restore.py",
)
RECEIVER: Final = NotRun(
    reason="Python of a receiver; that test signs in the same way",
    test="tests/integration/alerting/test_telling.py",
)
NOT_RUN: Final[Mapping[str, NotRun]] = {
    "py -m pip install uv": WINDOWS,
    "py -m uv run pytest -n 4": WINDOWS,
    r"py -m venv C:\vestnik": WINDOWS,
    r"C:\vestnik\Scripts\pip install vestnik-*.whl": WINDOWS,
    'icacls FOLDER /inheritance:r /grant "USER:(OI)(CI)F"': WINDOWS,
    "docker compose -f deploy/compose.yaml up --build --detach": ENGINE,
    "docker compose -f deploy/compose.yaml up --detach --scale worker=4": ENGINE,
    "docker compose -f deploy/compose.yaml build": ENGINE,
    "sudo useradd --system --home-dir /var/lib/vestnik --shell /usr/sbin/nologin vestnik": BOOTED,
    "sudo python3 -m venv /opt/vestnik && sudo /opt/vestnik/bin/pip install vestnik-*.whl": NotRun(
        reason="it needs a wheel and half a minute; that test builds one and installs it so",
        test="tests/acceptance/test_wheel.py",
    ),
    "sudo systemctl daemon-reload": BOOTED,
    "sudo systemctl enable --now vestnik-api vestnik-worker@1 vestnik-worker@2": BOOTED,
    "sudo systemctl enable --now vestnik-simulator": BOOTED,
    "journalctl -u 'vestnik-*' -f": BOOTED,
    'pg_dump --format=custom --no-owner --schema=public --file=vestnik.dump "$DATABASE_URL"': ELSEWHERE,
    "pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error"
    ' --dbname="$DATABASE_URL" vestnik.dump': ELSEWHERE,
    "make check SLOW=1": NotRun(
        reason="it asks others; that test runs its slow part with a stand-in of them",
        test="tests/acceptance/test_audit.py",
    ),
    "python -m benchmarks.pace": MEASURES,
    "python -m benchmarks --full --json > results.jsonl": MEASURES,
    "python -m benchmarks.page results.jsonl": NotRun(
        reason="it needs the results of hours; that test gives it some",
        test="tests/unit/benchmarks/test_page.py",
    ),
    'expected = "v1=" + hmac.new(key, timestamp + b"." + body, hashlib.sha256).hexdigest()': RECEIVER,
    "hmac.compare_digest(expected, signature)": RECEIVER,
    "Of 120 channels: 117 ready, 3 would fail, 1 with a warning.": NotRun(
        reason="what the command before it prints", test="tests/acceptance/test_commands_of_pages.py"
    ),
    **dict.fromkeys(
        (
            "docker compose stop",
            "npm install",
            "npm run dev",
            "npm run start:worker",
            "npm run worker",
            "npm start",
            "pm2 monit",
            "pm2 start … --name api",
            "pm2 start … --name worker",
            "pm2 stop worker api",
        ),
        THERE,
    ),
}
TARGETS: Final[Mapping[str, NotRun]] = {
    "bench": MEASURES,
    "bench-peers": NotRun(
        reason="it installs what is compared with; that test has what is read of it",
        test="tests/unit/benchmarks/test_peer_catalogue.py",
    ),
    "check": BY_CI,
    "dist": NotRun(
        reason="that test builds the same into a folder of its own", test="tests/acceptance/test_wheel.py"
    ),
    "docs": BY_CI,
    "fix": NotRun(reason="it changes the sources; CI has the same programs check them", test=".ci/run"),
    "test": BY_CI,
    "test-browser": BY_CI,
    "test-deployment": BY_CI,
}
"""What make is asked for. Here it only says what it would do."""
NAMES: Final = ("chmod 600", "systemd-analyze verify", "uv run")
"""Sentences that name a command and leave out what it is about."""

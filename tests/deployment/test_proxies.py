"""The shipped files for nginx and Caddy, with names, ports and certificate changed, in front of a live page."""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, iterate_until
from tests.deployment.installation import Api, Installation, name_channels
from tests.deployment.pgbouncer import find_free_port
from tests.deployment.recipes import DEPLOY

NAME = "news.example"
CHANNELS = name_channels(15)
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/vestnik.conf;
}}
"""

Proxy = Callable[[Path, int], "tuple[list[str], str]"]
"""Puts its files into a folder for an API on a port; the command that starts it, and its address."""


def find_program(name: str) -> str:
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=places)
    assert found is not None, f"{name} is missing: run tests/deployment/prepare.sh"
    return found


def make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def prepare_nginx(folder: Path, port: int) -> tuple[list[str], str]:
    make_certificate(folder)
    plain, secure = find_free_port(), find_free_port()
    shipped = (DEPLOY / "nginx" / "vestnik.conf").read_text(encoding="utf-8")
    changes = {
        "127.0.0.1:3000": f"127.0.0.1:{port}",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ": f"listen 127.0.0.1:{secure} ",
        f"/etc/letsencrypt/live/{NAME}": str(folder),
    }
    (folder / "vestnik.conf").write_text(change(shipped, changes))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    command = [find_program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr.replace("could not open error log", "").replace(
        '"user" directive', ""
    )
    return command, f"https://127.0.0.1:{secure}"


def prepare_caddy(folder: Path, port: int) -> tuple[list[str], str]:
    """Over TLS with a certificate of its own making, which would otherwise come from outside."""
    make_certificate(folder)
    secure = find_free_port()
    shipped = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    tls = f"https://{NAME}:{secure} {{\n\tbind 127.0.0.1\n\ttls {folder}/fullchain.pem {folder}/privkey.pem"
    text = change(shipped, {"127.0.0.1:3000": f"127.0.0.1:{port}", f"\n{NAME} {{": f"\n{tls}"})
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + text)
    (folder / "original").mkdir()
    for name, content in (("original/Caddyfile", shipped), ("Caddyfile", options + text)):
        (folder / name).write_text(content)
        checked = subprocess.run(
            [find_program("caddy"), "validate", "--adapter", "caddyfile", "--config", folder / name],
            env={**os.environ, "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
    command = [find_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    return command, f"https://127.0.0.1:{secure}"


def change(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


@contextmanager
def run_proxy(folder: Path, prepare: Proxy, port: int) -> Iterator[httpx.Client]:
    """Somebody who reaches the API through the proxy under its name."""
    folder.mkdir()
    command, url = prepare(folder, port)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    trust.check_hostname = False
    client = httpx.Client(
        base_url=url, headers={"Host": NAME}, verify=trust, timeout=DEADLINE, trust_env=False
    )
    try:
        for _ in iterate_until(time.monotonic() + DEADLINE):
            with suppress(httpx.TransportError):
                client.get("/healthz", extensions={"sni_hostname": NAME}).raise_for_status()
                break
            assert process.poll() is None, (folder / "log").read_text()
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(DEADLINE)


def test_live_pages_come_through_each_proxy_at_once(database_url: URL, tmp_path: Path) -> None:
    with Installation(tmp_path, database_url, VESTNIK_TRUSTED_PROXIES="127.0.0.1") as installation:
        installation.start_simulator()
        installation.start_worker()
        api = installation.start_api()
        port = int(api.url.rpartition(":")[2])
        for name, prepare in (("nginx", prepare_nginx), ("caddy", prepare_caddy)):
            with run_proxy(tmp_path / name, prepare, port) as client:
                follow_live(api, client, name)
                assert "secure" in sign_in(client).lower()


def follow_live(api: Api, client: httpx.Client, name: str) -> None:
    campaign_id = api.create_campaign(CHANNELS, rate=10, name=name)
    headers = {"Authorization": api.client.headers["Authorization"]}
    path = f"/api/campaigns/{campaign_id}/events"
    with client.stream("GET", path, headers=headers, extensions={"sni_hostname": NAME}) as answer:
        assert answer.status_code == 200
        lines = (line for line in answer.iter_lines() if line.startswith("data: {"))
        # The first event arrives though nothing follows it: nobody holds it back.
        assert '"sent":0' in next(lines).replace(" ", "")
        api.act(campaign_id, "start")
        told = 0
        for line in lines:
            told += 1
            if '"COMPLETED"' in line:
                break
    assert told >= 3


def sign_in(client: httpx.Client) -> str:
    """What the proxy's visitor gets as a cookie."""
    answer = client.post(
        "/api/auth/login",
        json={"email": "owner@news.example", "password": "three unusual words"},
        headers={"Origin": f"https://{NAME}"},
        extensions={"sni_hostname": NAME},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.headers["set-cookie"])

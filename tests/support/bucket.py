"""A storage that speaks S3, on loopback: moto's server in a thread, with one bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from moto.server import ThreadedMotoServer

KEY_ID = "AKIAEXAMPLEEXAMPLE00"
SECRET = "canary-secret-of-the-bucket"
BUCKET = "vestnik-media"


@contextmanager
def run_bucket() -> Iterator[str]:
    """The endpoint of a running storage."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()
        httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
        yield endpoint
    finally:
        server.stop()


def name_bucket(endpoint: str) -> dict[str, Any]:
    """The settings that lead there."""
    return {
        "s3_endpoint": endpoint,
        "s3_bucket": BUCKET,
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
    }

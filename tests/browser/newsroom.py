"""Fills an installation over its API, as a program of the operator would."""

import time
from collections.abc import Sequence
from typing import Any, Self

import httpx

from tests.browser.conftest import OWN_PASSWORD, PATIENCE_MS, Installation


class Newsroom:
    """A signed-in client of the API."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def enter(cls, installation: Installation, password: str = OWN_PASSWORD) -> Self:
        """Sign in as the first administrator; his password is replaced first, if that was not done yet."""
        client = httpx.Client(base_url=installation.url, timeout=30)
        for given in (password, installation.first_password):
            answer = client.post("/api/auth/login", json={"email": installation.email, "password": given})
            if answer.status_code == 200:
                break
        answer.raise_for_status()
        client.headers["X-CSRF-Token"] = answer.json()["csrfToken"]
        if given != password:
            change = {"currentPassword": given, "newPassword": password}
            client.post("/api/auth/password", json=change).raise_for_status()
        return cls(client)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def add_channels(self, names: Sequence[str]) -> list[str]:
        """Their ids."""
        return [self.post("/api/channels", {"username": name})["id"] for name in names]

    def add_batch(self, name: str, channels: Sequence[str]) -> str:
        return str(self.post("/api/batches", {"name": name, "channelIds": list(channels)})["id"])

    def add_template(self, name: str, content: str, **fields: Any) -> str:
        return str(self.post("/api/templates", {"name": name, "content": content, **fields})["id"])

    def add_campaign(self, name: str, batch: str, template: str, *, rate: float = 20, **fields: Any) -> str:
        body = {"name": name, "batchId": batch, "templateId": template, "mode": "TEST", "deliveryRate": rate}
        return str(self.post("/api/campaigns", body | fields)["id"])

    def add_picture(self, name: str, content: bytes) -> str:
        answer = self._client.post("/api/media", params={"kind": "photo", "name": name}, content=content)
        assert answer.status_code < 300, answer.text
        return str(answer.json()["id"])

    def act(self, campaign_id: str, action: str, **fields: Any) -> None:
        self.post(f"/api/campaigns/{campaign_id}/action", {"action": action, **fields})

    def wait_for(self, campaign_id: str, status: str) -> None:
        """Until the campaign is shown in this state."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (found := self.get(f"/api/campaigns/{campaign_id}/progress")["status"]) != status:
            assert time.monotonic() < deadline, f"{found} instead of {status}"
            time.sleep(0.05)

    def check(self, campaign_id: str) -> None:
        """Have its channels looked at before it starts; until the report is there."""
        path = f"/api/campaigns/{campaign_id}/preflight"
        self.post(path, {})
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while (found := self.get(path)["status"]) != "DONE":
            assert time.monotonic() < deadline, f"the check is {found}"
            time.sleep(0.05)

    def wait_for_alert(self) -> int:
        """The number of an alert, once somebody has noticed that something is wrong."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not (found := self.get("/api/alerts")["items"]):
            assert time.monotonic() < deadline, "nobody noticed that anything is wrong"
            time.sleep(0.2)
        number: int = found[0]["id"]
        return number

    def close(self) -> None:
        self._client.close()

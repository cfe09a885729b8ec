"""People with passwords, and browsers that they sign in with."""

from dataclasses import dataclass
from uuid import UUID

import httpx

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.users import Role
from vestnik.services.users import NewUser, create_user

PASSWORD = "three unusual words"
WRONG = "three usual words"


@dataclass(frozen=True, kw_only=True)
class Person:
    id: UUID
    email: str
    password: str = PASSWORD


async def add_person(
    stage: Stage, email: str, role: Role = Role.OPERATOR, *, must_change_password: bool = False
) -> Person:
    """A person who may sign in."""
    new = NewUser(email=email, role=role, password=PASSWORD, must_change_password=must_change_password)
    async with open_session(stage.engine) as session:
        view = await create_user(session, Actor.system("test"), new)
    return Person(id=view.id, email=view.email)


async def try_sign_in(
    client: httpx.AsyncClient, email: str, password: str = PASSWORD, **headers: str
) -> httpx.Response:
    """What the API answers."""
    return await client.post(
        "/api/auth/login",
        json={"email": email, "password": password},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> str:
    """Sign in for certain: the client keeps the cookie and sends the CSRF token, which is returned."""
    answer = await try_sign_in(client, email, password)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["csrfToken"]
    client.headers["X-CSRF-Token"] = token
    return token

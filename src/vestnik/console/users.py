"""People: who may sign in, and what each may do."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor, read_search
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.db.users import UserFilter
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import MIN_PASSWORD_LENGTH, Role
from vestnik.services import users
from vestnik.services.users import NewUser, UserChange, UserView

router = APIRouter(prefix="/users")


@router.get("", **open_to(Role.ADMIN))
async def list_users(visitor: Visiting) -> Response:
    """Everybody, by e-mail address."""
    cursor, search = read_cursor(visitor.request, (str,)), read_search(visitor.request)
    after = None if cursor is None else cursor[0]
    found = await visitor.read(
        lambda session: users.list_users(session, UserFilter(search=search), limit=PAGE_SIZE + 1, after=after)
    )
    page = make_page(visitor.request, found, lambda user: [user.email])
    return visitor.render("users/list.html", page=page, search=search or "")


@router.get("/new", **open_to(Role.ADMIN))
async def show_new(visitor: Visiting) -> Response:
    """The form to let somebody in."""
    return await _show_new(visitor, Form.start(role=Role.OPERATOR, must_change_password=True), 200)


@router.post("/new", **open_to(Role.ADMIN))
async def create_user(visitor: Visiting, form: Submitted) -> Response:
    """Let somebody in."""

    async def create(session: AsyncSession) -> str:
        new = NewUser(
            email=form.text("email"),
            name=form.text("name"),
            role=_read_role(form),
            password=form.text("password"),
            must_change_password=form.flag("must_change_password"),
        )
        return f"/users/{(await users.create_user(session, visitor.actor, new)).id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_new(visitor, corrected, status)

    return await submit(visitor, form, create, again=again, notice="created")


async def _show_new(visitor: Visitor, form: Form, status: int) -> Response:
    return visitor.render(
        "users/new.html", form=form, status=status, roles=list(Role), shortest=MIN_PASSWORD_LENGTH
    )


@router.get("/{user_id}", **open_to(Role.ADMIN))
async def show_user(visitor: Visiting, user_id: UUID) -> Response:
    """One person."""
    return await _show_user(visitor, user_id)


@router.post("/{user_id}", **open_to(Role.ADMIN))
async def change_user(visitor: Visiting, user_id: UUID, form: Submitted) -> Response:
    """Change name, address, role, and whether he may come in at all."""

    async def change(session: AsyncSession) -> str:
        wanted = UserChange(
            email=form.text("email"),
            name=form.text("name"),
            role=_read_role(form),
            is_active=form.flag("is_active"),
        )
        await users.change_user(session, visitor.actor, user_id, wanted, expected_revision=form.revision())
        return f"/users/{user_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_user(visitor, user_id, form=corrected, status=status)

    return await submit(visitor, form, change, again=again, notice="saved")


@router.post("/{user_id}/password", **open_to(Role.ADMIN))
async def set_password(visitor: Visiting, user_id: UUID, form: Submitted) -> Response:
    """Give him a new password; all his sessions end."""

    async def store(session: AsyncSession) -> str:
        await users.set_password(
            session,
            visitor.actor,
            user_id,
            form.text("password"),
            must_change_password=form.flag("must_change_password"),
            expected_revision=form.revision(),
        )
        return f"/users/{user_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_user(visitor, user_id, password_form=corrected, status=status)

    return await submit(visitor, form, store, again=again, notice="password-given")


async def _show_user(
    visitor: Visitor,
    user_id: UUID,
    *,
    form: Form | None = None,
    password_form: Form | None = None,
    status: int = 200,
) -> Response:
    user = await visitor.read(lambda session: users.get_user(session, user_id))
    return visitor.render(
        "users/detail.html",
        user=user,
        form=form or _show_values(user),
        password_form=password_form or Form.start(must_change_password=True),
        roles=list(Role),
        shortest=MIN_PASSWORD_LENGTH,
        status=status,
    )


def _show_values(user: UserView) -> Form:
    return Form.start(email=user.email, name=user.name, role=user.role, is_active=user.is_active)


def _read_role(form: Form) -> Role:
    try:
        return Role(form.text("role"))
    except ValueError:
        raise InvalidInputError("choose one of the roles", field="role") from None

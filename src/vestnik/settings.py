"""All settings: one frozen object, read once by bootstrap and passed in.

The predecessor's names keep working (SUPABASE_DIRECT_URL, PORT, TELEGRAM_*, RATE_LIMIT_MESSAGES_PER_SECOND,
JOB_RETENTION_DAYS); new ones start with VESTNIK_. Sources, the strongest first: the environment, then the file
`.env`.
"""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from vestnik.domain.alerts import AlertRules
from vestnik.domain.errors import ConfigurationError
from vestnik.domain.installation import Bounds, SettingSource, SettingView
from vestnik.domain.limits import DEFAULT_LOOKUPS_PER_DAY

OWN_PREFIX = "VESTNIK_"


def default_data_dir() -> Path:
    """Where the embedded database, the key file and the logs live when nothing else is said."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share")))
    return base / "vestnik"


SHORTEST_AUDIT_RETENTION_DAYS = 30
"""The database refuses to delete younger entries, whoever asks."""


class Settings(BaseSettings):
    """Every setting with its default, unit and permitted range."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file_encoding="utf-8",
        extra="ignore",
        populate_by_name=True,
        case_sensitive=False,
        # Tracebacks show the text of errors, and an input may be a session.
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("DATABASE_URL", "SUPABASE_DIRECT_URL")
    )
    supabase_url: str | None = Field(None, validation_alias="SUPABASE_URL")
    data_dir: Path = Field(default_factory=default_data_dir, validation_alias="VESTNIK_DATA_DIR")
    host: str = Field("127.0.0.1", validation_alias="VESTNIK_HOST")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(3000, validation_alias="PORT")
    telegram_session: SecretStr | None = Field(None, validation_alias="TELEGRAM_SESSION")
    telegram_api_id: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None, validation_alias="TELEGRAM_API_ID"
    )
    telegram_api_hash: SecretStr | None = Field(None, validation_alias="TELEGRAM_API_HASH")
    account_rate: Annotated[Decimal, Field(gt=0, le=1000)] = Field(
        Decimal(20), validation_alias="RATE_LIMIT_MESSAGES_PER_SECOND"
    )
    """Messages per second of one account over all its campaigns."""
    resolves_per_day: Annotated[int, Field(ge=0, le=10_000)] = Field(
        DEFAULT_LOOKUPS_PER_DAY, validation_alias="VESTNIK_RESOLVES_PER_DAY"
    )
    """Usernames that one account looks up in a day of UTC; the others wait for the next."""
    secret_key: SecretStr | None = Field(None, validation_alias="VESTNIK_SECRET_KEY")
    lease_seconds: Annotated[float, Field(ge=2, le=10)] = Field(6.0, validation_alias="VESTNIK_LEASE_SECONDS")
    retry_base_seconds: Annotated[float, Field(ge=0.1, le=60)] = Field(
        5.0, validation_alias="VESTNIK_RETRY_BASE_SECONDS"
    )
    call_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = Field(
        30.0, validation_alias="VESTNIK_CALL_TIMEOUT_SECONDS"
    )
    cors_origins: str = Field("", validation_alias="VESTNIK_CORS_ORIGINS")
    """Origins of other sites whose pages may call the API, separated by commas."""
    trusted_proxies: str = Field("", validation_alias="VESTNIK_TRUSTED_PROXIES")
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas."""
    listen_url: SecretStr | None = Field(None, validation_alias="VESTNIK_LISTEN_URL")
    """A session connection for LISTEN, where the API's own goes through a transaction pooler."""
    database_connections: Annotated[int, Field(ge=3, le=100)] = Field(
        7, validation_alias="VESTNIK_DATABASE_CONNECTIONS"
    )
    """The most that one process (an API, a worker) has open at once."""
    api_rate: Annotated[float, Field(ge=1, le=10_000)] = Field(50.0, validation_alias="VESTNIK_API_RATE")
    """Requests a second that one token or browser may make in the long run."""
    time_zone: str = Field("UTC", validation_alias="VESTNIK_TIME_ZONE")
    """In which {date} and {time} in texts are written; a name of the IANA database."""
    job_retention_days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)] = Field(
        7.0, validation_alias="JOB_RETENTION_DAYS"
    )
    """How long the jobs of an ended campaign are kept, and ended commands; 0 keeps them for ever."""
    audit_retention_days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)] = Field(
        0.0, validation_alias="VESTNIK_AUDIT_RETENTION_DAYS"
    )
    """How long entries of the audit log are kept, 30 days at least; 0 keeps them for ever."""
    alert_failed_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, validation_alias="VESTNIK_ALERT_FAILED_SHARE"
    )
    """The part of a campaign's results from which on failures are an alert."""
    alert_stalled_seconds: Annotated[float, Field(ge=5, le=86_400)] = Field(
        300.0, validation_alias="VESTNIK_ALERT_STALLED_SECONDS"
    )
    """A campaign that could post and does not for so long is an alert."""
    alert_held_seconds: Annotated[float, Field(ge=1, le=604_800)] = Field(
        600.0, validation_alias="VESTNIK_ALERT_HELD_SECONDS"
    )
    """A wait of an account, on Telegram's word, that is an alert."""
    alert_disk_free_mb: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        1024, validation_alias="VESTNIK_ALERT_DISK_FREE_MB"
    )
    """Less free space than this, in MiB, on the disk of the data directory is an alert; 0 does not look."""
    alert_repeat_hours: Annotated[float, Field(ge=0, le=8_760)] = Field(
        12.0, validation_alias="VESTNIK_ALERT_REPEAT_HOURS"
    )
    """After so long an alert that goes on is told again; 0 tells it once."""
    alert_private_webhooks: bool = Field(False, validation_alias="VESTNIK_ALERT_PRIVATE_WEBHOOKS")
    """Whether webhooks of alerts may lead to addresses that are not public."""
    s3_endpoint: str | None = Field(None, validation_alias="VESTNIK_S3_ENDPOINT")
    """Of a storage that speaks S3; with SUPABASE_URL the project's own is used."""
    s3_bucket: str | None = Field(None, validation_alias="VESTNIK_S3_BUCKET")
    """Where files of media are kept; without it in the data directory."""
    s3_region: str = Field("us-east-1", validation_alias="VESTNIK_S3_REGION")
    s3_access_key_id: SecretStr | None = Field(None, validation_alias="VESTNIK_S3_ACCESS_KEY_ID")
    s3_secret_access_key: SecretStr | None = Field(None, validation_alias="VESTNIK_S3_SECRET_ACCESS_KEY")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(0, validation_alias="VESTNIK_METRICS_PORT")
    """Where a worker answers Prometheus, on 127.0.0.1; 0 switches that off."""
    simulator_host: str | None = Field(None, validation_alias="VESTNIK_SIMULATOR_HOST")
    """Where a simulator runs that a worker rehearses on; `up` starts one of its own."""
    simulator_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        7070, validation_alias="VESTNIK_SIMULATOR_PORT"
    )
    simulator_control_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        7071, validation_alias="VESTNIK_SIMULATOR_CONTROL_PORT"
    )
    simulator_token: SecretStr | None = Field(None, validation_alias="VESTNIK_SIMULATOR_TOKEN")
    """What the simulator wants of those who come; it and its workers need the same."""
    log_level: str = Field("info", validation_alias="VESTNIK_LOG_LEVEL")
    failpoints: str = Field("", validation_alias="VESTNIK_FAILPOINTS")
    """Points at which the process kills itself, for fault tests: `name`, `name:3` (at the third pass)."""

    _given: frozenset[str] = PrivateAttr(frozenset())
    """Fields that neither the environment nor the file decided."""

    @field_validator(
        "database_url",
        "telegram_session",
        "telegram_api_id",
        "telegram_api_hash",
        "supabase_url",
        "secret_key",
        "listen_url",
        "s3_endpoint",
        "s3_bucket",
        "s3_access_key_id",
        "s3_secret_access_key",
        "simulator_host",
        "simulator_token",
        mode="before",
    )
    @classmethod
    def _treat_empty_as_unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("log_level")
    @classmethod
    def _check_log_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be one of debug, info, warning, error")
        return value.lower()

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        try:
            find_zone(value)
        except (ValueError, LookupError, OSError):
            raise ValueError("must be the name of a time zone such as Europe/Moscow") from None
        return value

    @field_validator("audit_retention_days")
    @classmethod
    def _check_audit_retention(cls, value: float) -> float:
        if 0 < value < SHORTEST_AUDIT_RETENTION_DAYS:
            raise ValueError(
                f"must be {SHORTEST_AUDIT_RETENTION_DAYS} or more, or 0 to keep the audit log for ever"
            )
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        for origin in split_list(value):
            parts = urlsplit(origin)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or origin.rstrip("/") != (f"{parts.scheme}://{parts.netloc}")
            ):
                raise ValueError("must be origins such as https://news.example, separated by commas")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for address in split_list(value):
            try:
                ip_network(address)
            except ValueError:
                raise ValueError(
                    "must be addresses or networks such as 10.0.0.0/8, separated by commas"
                ) from None
        return value

    @property
    def alert_rules(self) -> AlertRules:
        """From when on something is wrong."""
        return AlertRules(
            failed_share=self.alert_failed_share,
            stalled_after=timedelta(seconds=self.alert_stalled_seconds),
            held_for=timedelta(seconds=self.alert_held_seconds),
            least_free=self.alert_disk_free_mb * 1024 * 1024,
            repeat_every=timedelta(hours=self.alert_repeat_hours),
        )

    @property
    def zone(self) -> tzinfo:
        """The time zone of {date} and {time}."""
        return find_zone(self.time_zone)

    @model_validator(mode="after")
    def _check_supabase(self) -> Self:
        if self.supabase_url is not None and self.database_url is None:
            raise ValueError(
                "SUPABASE_URL is set but no database address; set SUPABASE_DIRECT_URL or DATABASE_URL to the "
                "direct or session-pooler connection string of the project"
            )
        return self

    @field_validator("s3_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError("must be an address such as https://s3.example.org, without a user name")
        return value.strip().rstrip("/")

    @property
    def s3_address(self) -> str | None:
        """The endpoint of the storage; a Supabase project has one below its own address."""
        if self.s3_endpoint is None and self.supabase_url is not None:
            return f"{self.supabase_url.strip().rstrip('/')}/storage/v1/s3"
        return self.s3_endpoint

    @model_validator(mode="after")
    def _check_simulator(self) -> Self:
        if self.simulator_host is not None and self.simulator_token is None:
            raise ValueError("VESTNIK_SIMULATOR_HOST is set, so VESTNIK_SIMULATOR_TOKEN must be set as well")
        return self

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        given = {
            "VESTNIK_S3_ENDPOINT": self.s3_endpoint if self.s3_bucket is None else self.s3_address,
            "VESTNIK_S3_BUCKET": self.s3_bucket,
            "VESTNIK_S3_ACCESS_KEY_ID": self.s3_access_key_id,
            "VESTNIK_S3_SECRET_ACCESS_KEY": self.s3_secret_access_key,
        }
        missing = [name for name, value in given.items() if value is None]
        if missing and len(missing) < len(given):
            present = next(name for name, value in given.items() if value is not None)
            raise ValueError(f"{present} is set, so {' and '.join(missing)} must be set as well")
        return self

    @model_validator(mode="after")
    def _check_telegram(self) -> Self:
        given = {
            "TELEGRAM_SESSION": self.telegram_session,
            "TELEGRAM_API_ID": self.telegram_api_id,
            "TELEGRAM_API_HASH": self.telegram_api_hash,
        }
        missing = [name for name, value in given.items() if value is None]
        if self.telegram_session is not None and missing:
            raise ValueError(f"TELEGRAM_SESSION is set, so {' and '.join(missing)} must be set as well")
        return self


def find_zone(name: str) -> tzinfo:
    """The time zone of this name. UTC needs no database of zones, which Windows and small images lack."""
    return UTC if name.upper() == "UTC" else ZoneInfo(name)


def split_list(value: str) -> list[str]:
    """The parts of a setting that is a list separated by commas."""
    return [part.strip().rstrip("/") for part in value.split(",") if part.strip()]


def known_variables() -> set[str]:
    """The names of all settings, in the environment and in `.env`."""
    names: set[str] = set()
    for field in Settings.model_fields.values():
        names.update(_list_names(field))
    return names


def _list_names(field: FieldInfo) -> list[str]:
    """The variables of a field, the strongest first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias] if isinstance(alias, str) else []


def load_settings(*, env_file: Path | None = None, **overrides: object) -> Settings:
    """Read the environment and `.env`; `overrides` (field names) win.

    Raises ConfigurationError naming the variable; an unknown VESTNIK_ variable is an error too, because a
    misspelt setting would otherwise be ignored in silence.
    """
    known = known_variables()
    # VESTNIK_INTERNAL_… variables carry facts from a parent process to the children it starts.
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(OWN_PREFIX) and name not in known and not name.startswith("VESTNIK_INTERNAL_")
    )
    if unknown:
        valid = ", ".join(sorted(name for name in known if name.startswith(OWN_PREFIX)))
        raise ConfigurationError(f"unknown setting {unknown[0]}; the settings are {valid}", field=unknown[0])
    try:
        settings = Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg, arg-type]
        settings._given = frozenset(overrides)
    except ValidationError as exc:
        raise _explain(exc) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"the settings file {env_file} cannot be read: {exc}") from exc
    return settings


_NOT_SHOWN = frozenset({"telegram_api_id", "supabase_url"})
"""Beside secrets: the one goes with a secret, in the other somebody may have put an address with a password."""


def describe_settings(settings: Settings, *, in_use: Mapping[str, str] = {}) -> list[SettingView]:
    """All settings without secrets, for display. `in_use` are values, by field, that options have replaced."""
    return [_describe(settings, name, field, in_use) for name, field in Settings.model_fields.items()]


def _describe(settings: Settings, name: str, field: FieldInfo, in_use: Mapping[str, str]) -> SettingView:
    variables = _list_names(field)
    is_secret = name in _NOT_SHOWN or "SecretStr" in repr(field.annotation)
    value, default = getattr(settings, name), field.get_default(call_default_factory=True)
    source = _find_source(settings, name, variables, is_default=value == default)
    shown = _write(value)
    if name in in_use and in_use[name] != shown:
        shown, source = in_use[name], SettingSource.START
    return SettingView(
        name=variables[0],
        other_names=variables[1:],
        is_secret=is_secret,
        is_set=source is not SettingSource.DEFAULT,
        value=None if is_secret else shown,
        default=None if is_secret else _write(default),
        bounds=_find_bounds(field),
        source=source,
    )


def _find_source(settings: Settings, name: str, variables: list[str], *, is_default: bool) -> SettingSource:
    if name not in settings.model_fields_set or getattr(settings, name) in {None, ""}:
        return SettingSource.DEFAULT
    if name in settings._given:
        return SettingSource.START
    if name == "data_dir" and is_default:
        return SettingSource.DEFAULT  # `up` tells its children in the environment, whatever it is
    present = {variable.lower() for variable in os.environ}
    is_in_environment = any(variable.lower() in present for variable in variables)
    return SettingSource.ENVIRONMENT if is_in_environment else SettingSource.FILE


def _find_bounds(field: FieldInfo) -> Bounds | None:
    found = {
        name: float(getattr(rule, name))
        for rule in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(rule, name)
    }
    if not found:
        return None
    return Bounds(
        lowest=found.get("ge", found.get("gt")),
        highest=found.get("le", found.get("lt")),
        is_above_lowest="gt" in found,
    )


def _write(value: object) -> str | None:
    """A value as somebody would write it into the environment."""
    if value is None or value == "":
        return None
    return f"{value:g}" if isinstance(value, float | Decimal) else str(value)


def _explain(exc: ValidationError) -> ConfigurationError:
    """All complaints, without the offending values: they may be secrets."""
    names, texts = [], []
    for error in exc.errors(include_url=False, include_input=False, include_context=False):
        name = str(error["loc"][0]) if error["loc"] else None
        text = str(error["msg"]).removeprefix("Value error, ")
        names.append(name)
        texts.append(f"{name}: {text}" if name else text)
    return ConfigurationError("; ".join(texts), field=names[0])

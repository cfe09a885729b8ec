"""What each setting means and in which unit it is, for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vestnik.console.marking import mark

SECONDS: Final = mark("seconds")
DAYS: Final = mark("days")


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingWords:
    """In the language of the sources; `unset` says what holds where nobody set it and there is no value."""

    meaning: str
    unit: str = ""
    choices: str = ""
    unset: str = mark("not set")


GROUPS: Final[Mapping[str, Mapping[str, SettingWords]]] = {
    mark("Database and files"): {
        "DATABASE_URL": SettingWords(
            meaning=mark("The address of the PostgreSQL database (15 to 18), with its password."),
            unset=mark("not set: an embedded database runs in the data directory"),
        ),
        "SUPABASE_URL": SettingWords(
            meaning=mark("Accepted from the predecessor of Vestnik; alone it names no database.")
        ),
        "VESTNIK_DATA_DIR": SettingWords(
            meaning=mark("The folder of the embedded database, the key file, uploaded files and logs.")
        ),
        "VESTNIK_S3_BUCKET": SettingWords(
            meaning=mark(
                "The bucket in which uploaded files are kept, so that workers of any machine find them."
            ),
            unset=mark("not set: files are kept in the data directory"),
        ),
        "VESTNIK_S3_ENDPOINT": SettingWords(
            meaning=mark(
                "The address of the storage with the bucket; any that speaks S3, such as Supabase Storage."
            )
        ),
        "VESTNIK_S3_REGION": SettingWords(meaning=mark("The region of the storage, as its keys name it.")),
        "VESTNIK_S3_ACCESS_KEY_ID": SettingWords(meaning=mark("The name of the key to the bucket.")),
        "VESTNIK_S3_SECRET_ACCESS_KEY": SettingWords(meaning=mark("The key to the bucket.")),
        "VESTNIK_LISTEN_URL": SettingWords(
            meaning=mark(
                "A second address of the database for live progress, needed where the first one goes through a"
                " transaction pooler."
            )
        ),
        "VESTNIK_DATABASE_CONNECTIONS": SettingWords(
            meaning=mark("How many connections to the database one process has open at most."),
            unit=mark("connections"),
        ),
        "JOB_RETENTION_DAYS": SettingWords(
            meaning=mark(
                "How long the single posts of an ended campaign are kept in the database. The campaign and its"
                " figures stay; failed posts cannot be sent again later. 0 keeps everything."
            ),
            unit=DAYS,
        ),
        "VESTNIK_AUDIT_RETENTION_DAYS": SettingWords(
            meaning=mark(
                "How long entries of the audit log are kept: 30 days at least. 0 keeps them for ever."
            ),
            unit=DAYS,
        ),
    },
    mark("Telegram and posting"): {
        "TELEGRAM_SESSION": SettingWords(
            meaning=mark("The session of the account “default”. With it the two settings below are needed.")
        ),
        "TELEGRAM_API_ID": SettingWords(meaning=mark("The number of your application at my.telegram.org.")),
        "TELEGRAM_API_HASH": SettingWords(meaning=mark("The key of your application at my.telegram.org.")),
        "RATE_LIMIT_MESSAGES_PER_SECOND": SettingWords(
            meaning=mark("The pace of the accounts “default” and “rehearsal” over all their campaigns."),
            unit=mark("posts a second"),
        ),
        "VESTNIK_RESOLVES_PER_DAY": SettingWords(
            meaning=mark(
                "How many names of channels an account looks up in a day of UTC, because Telegram limits that. The"
                " others wait for the next day; channels that the account is in need no look-up."
            ),
            unit=mark("names a day"),
        ),
        "VESTNIK_RETRY_BASE_SECONDS": SettingWords(
            meaning=mark("The wait after a post failed once. It doubles with each attempt, up to 5 minutes."),
            unit=SECONDS,
        ),
        "VESTNIK_CALL_TIMEOUT_SECONDS": SettingWords(
            meaning=mark("How long Telegram's answer is waited for."), unit=SECONDS
        ),
        "VESTNIK_LEASE_SECONDS": SettingWords(
            meaning=mark("After how long another worker takes over from one that has fallen silent."),
            unit=SECONDS,
        ),
        "VESTNIK_TIME_ZONE": SettingWords(
            meaning=mark(
                "The time zone of {date} and {time} in posts, such as Europe/Moscow. Workers need the same."
            )
        ),
    },
    mark("Rehearsals"): {
        "VESTNIK_SIMULATOR_HOST": SettingWords(
            meaning=mark("Where the simulator runs on which workers rehearse."),
            unset=mark(
                "not set: one is started where everything runs together, else workers do not rehearse"
            ),
        ),
        "VESTNIK_SIMULATOR_PORT": SettingWords(meaning=mark("The simulator's port.")),
        "VESTNIK_SIMULATOR_CONTROL_PORT": SettingWords(
            meaning=mark("The simulator's second port, on which workers tell it of accounts and channels.")
        ),
        "VESTNIK_SIMULATOR_TOKEN": SettingWords(
            meaning=mark("A password between the simulator and the workers, the same in all of them.")
        ),
    },
    mark("Console and API"): {
        "VESTNIK_HOST": SettingWords(
            meaning=mark("The address on which Vestnik listens; 127.0.0.1 is this machine alone.")
        ),
        "PORT": SettingWords(meaning=mark("The port on which Vestnik listens; 0 takes a free one.")),
        "VESTNIK_TRUSTED_PROXIES": SettingWords(
            meaning=mark("Proxies that are believed when they say where a visitor comes from."),
            unset=mark("none"),
        ),
        "VESTNIK_CORS_ORIGINS": SettingWords(
            meaning=mark("Other sites whose pages may call the API."), unset=mark("none")
        ),
        "VESTNIK_API_RATE": SettingWords(
            meaning=mark("How many requests one token or browser may make in the long run."),
            unit=mark("requests a second"),
        ),
    },
    mark("Alerts"): {
        "VESTNIK_ALERT_FAILED_SHARE": SettingWords(
            meaning=mark(
                "From which part of a campaign's results on failures are an alert; 0.1 is one in ten. Workers and API"
                " need the same, as with the next settings."
            )
        ),
        "VESTNIK_ALERT_STALLED_SECONDS": SettingWords(
            meaning=mark("How long a campaign that could post may post nothing before it is an alert."),
            unit=SECONDS,
        ),
        "VESTNIK_ALERT_HELD_SECONDS": SettingWords(
            meaning=mark("From which time on it is an alert that Telegram makes an account wait."),
            unit=SECONDS,
        ),
        "VESTNIK_ALERT_DISK_FREE_MB": SettingWords(
            meaning=mark(
                "With less space than this on the disk of the data directory there is an alert; 0 does not look."
            ),
            unit=mark("MiB"),
        ),
        "VESTNIK_ALERT_REPEAT_HOURS": SettingWords(
            meaning=mark("After how long an alert that goes on is told again; 0 tells each once."),
            unit=mark("hours"),
        ),
        "VESTNIK_ALERT_PRIVATE_WEBHOOKS": SettingWords(
            meaning=mark("Whether webhooks of alerts may lead to addresses within your own network."),
            choices="true, false",
        ),
    },
    mark("Secrets and diagnosis"): {
        "VESTNIK_SECRET_KEY": SettingWords(
            meaning=mark("The key with which sessions of accounts are stored. Workers need the same."),
            unset=mark("not set: a key file in the data directory is used"),
        ),
        "VESTNIK_LOG_LEVEL": SettingWords(
            meaning=mark("How much is written into the logs."), choices="debug, info, warning, error"
        ),
        "VESTNIK_METRICS_PORT": SettingWords(
            meaning=mark("The port on which a worker shows its metrics to this machine; 0 switches that off.")
        ),
        "VESTNIK_FAILPOINTS": SettingWords(
            meaning=mark("Only for tests: points at which a worker kills itself."), unset=mark("none")
        ),
    },
}
"""Every setting once, by what it is about; a test holds it against the settings there are."""

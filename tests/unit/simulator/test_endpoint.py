import pytest
from telethon.sessions import StringSession

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.endpoint import SimulatorEndpoint, derive_auth_key, make_session_string
from vestnik.simulator.posts import Arrival, PostLog, count_most_in_window

ENDPOINT = SimulatorEndpoint(host="127.0.0.1", port=1234, control_port=1235, token="t")


def test_the_endpoint_survives_json():
    assert SimulatorEndpoint.from_json(ENDPOINT.to_json()) == ENDPOINT


@pytest.mark.parametrize(
    ("text", "field"),
    [("", None), ("[]", None), ("{}", "host"), ('{"host": "h", "port": "1"}', "port")],
)
def test_a_malformed_endpoint_is_told(text, field):
    with pytest.raises(SimulatorError) as caught:
        SimulatorEndpoint.from_json(text)
    assert caught.value.field == field


def test_keys_are_the_same_for_the_same_token_and_account_only():
    key = derive_auth_key("t", "a")
    assert len(key) == 256
    assert key == derive_auth_key("t", "a")
    assert len({key, derive_auth_key("t", "b"), derive_auth_key("u", "a")}) == 3


def test_the_session_string_is_one_that_telethon_reads():
    key = derive_auth_key("t", "a")
    session = StringSession(make_session_string(ENDPOINT, key))
    assert (session.dc_id, session.server_address, session.port) == (2, "127.0.0.1", 1234)
    assert session.auth_key.key == key
    assert session.save() == make_session_string(ENDPOINT, key)


def test_a_short_key_is_refused():
    with pytest.raises(SimulatorError):
        make_session_string(ENDPOINT, b"short")


@pytest.mark.parametrize(
    ("arrivals", "most"),
    [([], 0), ([5.0], 1), ([0.0, 1.0, 2.0], 1), ([0.0, 0.5, 0.999, 1.0], 3), ([1.2, 0.1, 1.0], 2)],
)
def test_the_window_is_half_open(arrivals, most):
    assert count_most_in_window(arrivals) == most


def test_a_hundred_thousand_posts_take_little_memory():
    log = PostLog()
    arrival = Arrival(1.0, 1.0)
    for index in range(100_000):
        log.add(
            account=0, channel_id=index % 500, message_id=2, random_id=index, text="same", arrival=arrival
        )
    assert log.count_distinct() == 500
    assert log.texts == ["same"]
    columns = (log.accounts, log.channels, log.message_ids, log.random_ids, log.text_ids, log.walls)
    assert sum(column.itemsize for column in (*columns, log.monotonics)) == 44

import threading
import urllib.error
import urllib.request

import pytest

from server import create_server


@pytest.fixture(scope="module")
def url(clerk):
    server = create_server(clerk.environment)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()


def get(url: str, token: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_valid_token_names_the_user(clerk, url):
    status, body = get(url, clerk.token(kind="session_token", user="ada@example.com"))
    assert (status, body[:5]) == (200, "user_")


@pytest.mark.parametrize(
    "damage",
    [
        {"claims": {"exp": "@now-1h"}},
        {"claims": {"iss": "https://other.example.com"}},
        {"header": {"alg": "none"}, "sign": "none"},
    ],
    ids=["expired", "other-issuer", "unsigned"],
)
def test_invalid_token_is_rejected(clerk, url, damage):
    assert get(url, clerk.token(kind="session_token", **damage))[0] == 401


def test_tokens_of_a_new_key_are_accepted_after_a_key_rotation(clerk, url):
    clerk.admin("POST", "/keys/rotate")
    assert get(url, clerk.token(kind="session_token"))[0] == 200

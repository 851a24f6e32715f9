"""Training through the served app, by the client: start, look, stop, resume, download, bring back, use."""

from __future__ import annotations

import json
import time
import zipfile

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

OWN = "\n".join(
    f"a {animal} in the {place}" for animal in ("dog", "cat", "bird") for place in ("park", "grass")
)
SHORT = {"corpus": "everyday", "variant": "fp", "steps": 6}


@pytest.fixture(scope="module")
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


def call(client: Client, endpoint: str, *args, **values):
    return client.predict(*args, api_name=f"/train_{endpoint}", **values)


def wait(client: Client, run: str, *states: str) -> dict:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status = call(client, "status", run)
        assert status["state"] != "failed", status["note"]
        if status["state"] in states:
            return status
        time.sleep(0.1)
    raise AssertionError(status)


@pytest.fixture(scope="module")
def finished(client) -> dict:
    """A finished run on captions of one's own."""
    run = call(client, "start", captions=OWN, variant="fp", steps=4, name="mine")["run"]
    return wait(client, run, "finished")


def test_a_run_is_stopped_resumed_and_removed(client):
    started = call(client, "start", corpus="everyday", variant="fp", steps=4000)
    assert started["state"] in ("waiting", "preparing", "training")
    run = started["run"]
    with pytest.raises(AppError, match="stop it before"):
        call(client, "remove", run)
    while wait(client, run, "training")["step"] < 2:
        time.sleep(0.05)
    call(client, "stop", run)
    stopped = wait(client, run, "stopped")
    assert stopped["note"] == "You stopped it."
    assert call(client, "resume", run)["state"] in ("waiting", "preparing", "training")
    while wait(client, run, "preparing", "training")["step"] <= stopped["step"]:
        time.sleep(0.05)
    call(client, "stop", run)
    wait(client, run, "stopped")
    assert call(client, "remove", run)["state"] == "removed"
    with pytest.raises(AppError, match="no such run"):
        call(client, "status", run)


def test_a_decoder_is_downloaded_brought_back_and_used(client, finished, service, tmp_path):
    path = call(client, "download", finished["run"])
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["mine.json", "mine.safetensors"]
        sidecar = json.loads(archive.read("mine.json"))
    assert sidecar["settings"]["corpus"] == "own captions"
    assert finished["run"] not in json.dumps(sidecar)
    again = call(client, "upload", [handle_file(path)])
    assert again["state"] == "finished"
    assert again["run"] != finished["run"]
    picture = handle_file(next(iter(service.example_images.values())))
    for trained in (finished, again):
        result = client.predict(text=None, image=picture, variant=trained["name"], api_name="/trace")
        settings = result["trace"]["settings"]
        assert (settings["variant"], settings["corpus"]) == ("fp", trained["name"])
    own = client.predict(text=None, image=picture, variant=finished["name"], api_name="/trace")
    assert set(own["trace"]["projection"]["top_captions"]) == set(OWN.splitlines())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"captions": ""}, "holds no usable caption"),
        ({"captions": "a dog\na cat"}, "There are 2 captions"),
        ({"captions": "\n".join(f"dog {n}" for n in range(501))}, "at most 500"),
        ({**SHORT, "steps": 10**6}, "at most|1 to 5,000 steps"),
        ({**SHORT, "variant": "best"}, "no variant"),
        ({**SHORT, "corpus": "nowhere"}, "no corpus"),
        ({**SHORT, "device": "abacus"}, "no device"),
        ({"corpus": "everyday", "minutes": 999}, "at most 30 minutes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(client, values, message):
    with pytest.raises(AppError, match=message):
        call(client, "start", **values)


def test_without_the_key_nothing_can_be_seen_or_touched(client, finished):
    for name in ("status", "stop", "resume", "remove", "download"):
        for key in ("", finished["name"], finished["run"][:-1]):
            with pytest.raises(AppError, match="no such run"):
                call(client, name, key)
    with pytest.raises(AppError, match="not here any more"):
        client.predict(text="a dog", image=None, variant="run-" + "0" * 24, api_name="/trace")


def test_a_file_that_is_no_decoder_is_refused(client, tmp_path):
    path = tmp_path / "notes.zip"
    path.write_text("hello")
    with pytest.raises(AppError, match="downloaded zip"):
        call(client, "upload", [handle_file(path)])
    with pytest.raises(AppError, match="no file yet"):
        call(client, "upload", None)

"""The endpoints of the page "Compare", spoken to by Gradio's client."""

from __future__ import annotations

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


def compare(client: Client, **values):
    given = {"systems": "fp,clipre", "image": None, "example": "", "test": "", "test_set": "", **values}
    return client.predict(**given, api_name="/compare_picture")


def test_systems_tables_and_pairs_answer(client):
    systems = client.predict(api_name="/compare_systems")
    assert {"syntic", "clipre"} <= {system["key"] for system in systems}
    tables = client.predict(api_name="/compare_tables")
    assert tables["table4"]["rows"][1]["scores"]["cider"] == {"mean": 120.0, "spread": 2.5}
    assert "experiment table1" in tables["table1"]
    pair = client.predict("syntic", "baseline", label="dog", api_name="/compare_pair")
    assert pair["pictures"] == 4
    assert "image" not in str(pair)


def test_a_test_picture_and_an_upload_are_captioned(client, service):
    found = compare(client, test="0001")
    assert [one["key"] for one in found] == ["fp", "clipre"]
    assert all(one["cider"] is not None for one in found)
    path = next(iter(service.example_images.values()))
    assert [one["cider"] for one in compare(client, image=handle_file(path))] == [None, None]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "exactly one"),
        ({"test": "0001", "example": "0"}, "exactly one"),
        ({"test": "0001", "systems": "x"}, "no system 'x'"),
        ({"test": "77"}, "no picture '77'"),
    ],
)
def test_a_bad_question_is_refused_in_one_sentence(client, values, message):
    with pytest.raises(AppError, match=message):
        compare(client, **values)

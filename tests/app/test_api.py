"""The served app, spoken to by Gradio's client: streaming, cancel, refused input, endpoint names."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from gradio.utils import get_function_description
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from syntic.types import Stage, Trace
from syntic.ui import build_app
from syntic.ui.pages.about import build_about

TEXT = "a dog on a bench in the park"
ENDPOINTS = [
    "/compare_pair",
    "/compare_picture",
    "/compare_systems",
    "/compare_tables",
    "/compose",
    "/gap_captions",
    "/gap_heatmap",
    "/gap_loss",
    "/gap_map",
    "/gap_measures",
    "/gap_neighbours",
    "/lesson_figure",
    "/lesson_steps",
    "/trace",
    "/train_download",
    "/train_remove",
    "/train_resume",
    "/train_start",
    "/train_status",
    "/train_stop",
    "/train_upload",
]
"""All that scripts can call. A new name is a promise to keep: change this list on purpose."""


@pytest.fixture
def client(address):
    client = Client(address, verbose=False)
    yield client
    client.close()


def ask(client: Client, text: str = TEXT, **controls):
    values = {"refinement_steps": 5, **controls}
    return client.submit(text=text, image=None, api_name="/trace", **values)


def test_the_endpoints_are_those_we_promised(client):
    info = client.view_api(return_format="dict")
    assert sorted(info["named_endpoints"]) == ENDPOINTS
    assert info["unnamed_endpoints"] == {}
    names = [parameter["parameter_name"] for parameter in info["named_endpoints"]["/trace"]["parameters"]]
    assert names == [
        "text",
        "image",
        "variant",
        "corpus",
        "inverse_temperature",
        "refinement_steps",
        "decoding",
        "beam_size",
        "seed",
    ]


def test_every_endpoint_is_described_and_named_on_the_page_about(client, service):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    with gr.Blocks() as about:
        build_about(service)
    words = "".join(block.value for block in about.blocks.values() if isinstance(block, gr.Markdown))
    assert [name for name, endpoint in endpoints.items() if not endpoint["description"]] == []
    assert [name for name in endpoints if f"`{name}`" not in words] == []


def test_every_argument_of_every_endpoint_is_described(service):
    for endpoint in build_app(service).fns.values():
        if endpoint.api_visibility == "public":
            _, arguments, _ = get_function_description(endpoint.fn)
            assert all(arguments.values()), (endpoint.api_name, arguments)


def test_a_text_streams_its_stages_and_ends_with_the_trace(client):
    job = ask(client)
    result = job.result(timeout=120)
    finished = [event["stage"] for event in job.outputs() if event["event"] == "StageFinished"]
    assert finished == [stage.value for stage in Stage]
    trace = Trace.from_json(json.dumps(result["trace"]))
    assert trace.text == TEXT
    assert trace.caption is not None
    assert trace.settings.refinement_steps == 5


def test_a_picture_is_captioned(client, service):
    path = next(iter(service.example_images.values()))
    result = client.predict(text=None, image=handle_file(path), variant="fp", api_name="/trace")
    assert result["trace"]["refinement"] is None
    assert result["trace"]["caption"]["text"] is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "   "}, "empty"),
        ({"text": "dog " * 500}, "500 words"),
        ({"refinement_steps": 99999}, "2000"),
        ({"seed": -5}, "0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(client, values, message):
    with pytest.raises(AppError, match=message):
        ask(client, **values).result(timeout=60)


def test_a_text_file_named_png_is_refused(client, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture at all")
    with pytest.raises(AppError, match="notes.png"):
        client.predict(text=None, image=handle_file(path), api_name="/trace")


def test_a_file_of_the_machine_is_out_of_reach(client):
    secret = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError):
        client.predict(text=None, image=secret, api_name="/trace")


def test_a_cancelled_run_frees_the_models(client):
    job = ask(client, refinement_steps=2000)
    for _ in range(600):
        if any(event["stage"] == "refine" for event in job.outputs() if "stage" in event):
            break
        time.sleep(0.05)
    job.cancel()
    started = time.monotonic()
    assert ask(client).result(timeout=120)["event"] == "Finished"
    assert time.monotonic() - started < 60
    assert not any(event["event"] == "Finished" for event in job.outputs())


def test_visitors_at_once_get_their_own_results(address):
    texts = [f"a dog next to a car, number {number}" for number in range(6)]

    def visit(text: str) -> str:
        client = Client(address, verbose=False)
        try:
            return ask(client, text).result(timeout=240)["trace"]["text"]
        finally:
            client.close()

    with ThreadPoolExecutor(len(texts)) as pool:
        assert list(pool.map(visit, texts)) == texts


def test_the_gap_endpoints_answer_what_the_page_shows(client, service):
    columns = client.predict(control="shift", value=1.0, api_name="/gap_measures")
    assert [column["key"] for column in columns] == ["now", "generated", "refined", "projected", "random"]
    distances = {column["key"]: column["measures"]["centroid_distance"] for column in columns}
    assert distances["now"] < distances["generated"]

    places = client.predict(layout="pca", dimensions=3, api_name="/gap_map")
    assert len(places["captions"]) == service.gap.sample("everyday").items
    assert {len(point) for points in places["coordinates"].values() for point in points} == {3}

    near = client.predict(kind="text", item=0, count=2, api_name="/gap_neighbours")
    assert {kind: len(found) for kind, found in near.items()} == {"text": 2, "generated": 2, "real": 2}

    heatmap = client.predict(stage="projected", api_name="/gap_heatmap")
    assert len(heatmap["similarities"]) == 2 * len(heatmap["captions"])

    curves = client.predict(api_name="/gap_loss")
    assert set(curves) == {"generated", "refined", "projected"}

    captions = client.predict(control="noise", value=0.2, items="0,1,2", api_name="/gap_captions")
    assert [one["item"] for one in captions] == [0, 1, 2]


@pytest.mark.parametrize(
    ("endpoint", "values", "message"),
    [
        ("/gap_measures", {"control": "magic"}, "temperature, refinement, noise, shift"),
        ("/gap_measures", {"value": -3.0}, "5..500"),
        ("/gap_measures", {"items": "1,x"}, "numbers with commas"),
        ("/gap_measures", {"corpus": "nowhere"}, "no corpus 'nowhere'"),
        ("/gap_neighbours", {"kind": "text", "item": 5000}, "no point 5000"),
        ("/gap_heatmap", {"stage": "x"}, "no heatmap of 'x'"),
        ("/gap_map", {"dimensions": 5}, "2 or 3 dimensions"),
    ],
)
def test_a_bad_question_about_the_gap_is_refused_in_one_sentence(client, endpoint, values, message):
    with pytest.raises(AppError, match=message):
        client.predict(**values, api_name=endpoint)


def test_a_composed_scene_is_one_picture_and_can_be_captioned(client):
    names = client.view_api(return_format="dict")["named_endpoints"]["/compose"]["parameters"]
    assert {"setting", "thing", "thing_2", "relation", "sprites"} <= {one["parameter_name"] for one in names}
    scene = {"setting": "beach", "thing": "woman surfing", "thing_2": "dog", "sprites": "twemoji"}
    path = client.predict(**scene, api_name="/compose")
    with Image.open(path) as picture:
        assert picture.size == (128, 128)
    result = client.predict(text=None, image=handle_file(path), api_name="/trace")
    assert result["trace"]["caption"]["text"] is not None
    with pytest.raises(AppError, match="no “unicorn”"):
        client.predict(thing="unicorn", api_name="/compose")
    with pytest.raises(AppError, match="arrangement must be a whole number"):
        client.predict(arrangement=-1, api_name="/compose")

"""Models by their hub names: what is wrong is said by its cause, and doctor says it beforehand.

The hub is a server of this machine that answers as the hub does, with its error codes in the head.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants as hub
import pytest
import torch
from tiny_models import LABELS, save_generator_folder

from syntic.errors import CheckpointError, InputError, ResourceError
from syntic.models import ClipEncoder, Detector, Generator, availability
from syntic.models.loading import explain
from syntic.profiles.profile import DetectorSettings, EncoderSettings, GeneratorSettings

CPU = torch.device("cpu")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Holds the tiny detector as `open/detector`; refuses `gated/...` and revisions but "main" and "v2"."""

    folder: Path

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        parts = path.removeprefix("api/models/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        revision = rest[1] if len(rest) > 1 and rest[0] in ("resolve", "revision", "tree") else "main"
        if name == "gated/model" and (rest[:1] in (["resolve"], ["auth-check"]) or revision == "none"):
            return self._refuse(403, "GatedRepo")
        if name not in ("open/detector", "gated/model"):
            return self._refuse(404, "RepoNotFound")
        if revision not in ("main", "v2", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if rest[:1] == ["resolve"]:
            return self._file(self.folder / "/".join(rest[2:]), body)
        files = [{"rfilename": p.name, "size": p.stat().st_size} for p in self.folder.iterdir()]
        content = {
            "id": name,
            "sha": COMMIT,
            "siblings": files,
            "gated": "auto" if "gated" in name else False,
        }
        return self._send(200, json.dumps(content).encode(), body, {"Content-Type": "application/json"})

    def _file(self, path: Path, body: bool) -> None:
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        head = {"X-Repo-Commit": COMMIT, "ETag": f'"{path.name}"'}
        return self._send(200, path.read_bytes(), body, head)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", False, {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, data: bytes, body: bool, head: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**head, "Content-Length": str(len(data)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def online(tiny_profile, monkeypatch, tmp_path) -> Iterator[None]:
    """The libraries meet the server in place of the hub, with an empty cache."""
    Hub.folder = Path(tiny_profile.detector.model)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name in ("HF_HUB_CACHE", "HF_XET_CACHE"):
        monkeypatch.setattr(hub, name, str(tmp_path / "cache"), raising=False)
    monkeypatch.setattr(hub, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "ENDPOINT", address)
    monkeypatch.setattr(
        hub, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("gated/model", None, "'gated/model' is gated; accept its terms"),
        ("no/model", None, "'no/model' is not on the hub or is private"),
        ("open/detector", "v9", "'open/detector' has no revision 'v9'"),
    ],
)
def test_the_hubs_refusals_are_told_apart(online, name, revision, message):
    with pytest.raises(CheckpointError, match=message):
        Detector.from_settings(DetectorSettings(model=name, revision=revision), CPU)


def test_a_model_is_loaded_from_the_hub_at_its_revision(online, tmp_path):
    detector = Detector.from_settings(DetectorSettings(model="open/detector", revision="v2"), CPU)
    assert detector.labels == LABELS
    (reference,) = (tmp_path / "cache").rglob("refs/v2")
    assert reference.read_text() == COMMIT


def test_doctor_asks_the_hub_and_loads_nothing(online, tiny_profile, monkeypatch):
    monkeypatch.setattr(Detector, "from_settings", None)

    def state(**changes: str):
        profile = dataclasses.replace(tiny_profile, detector=DetectorSettings(**changes))
        return availability.find_models(profile)[2]

    found = state(model="open/detector")
    assert found.found
    assert not found.here
    assert "on the hub" in found.detail
    assert found.parameters > 1000
    for changes, message in (
        ({"model": "gated/model"}, "is gated"),
        ({"model": "no/model"}, "not on the hub"),
        ({"model": "open/detector", "revision": "v9"}, "no revision 'v9'"),
    ):
        missing = state(**changes)
        assert not missing.found
        assert message in missing.detail
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    assert "set HF_HOME to a larger disk" in state(model="open/detector").detail


def test_doctor_says_where_nobody_answers(online, tiny_profile, monkeypatch):
    monkeypatch.setattr(hub, "ENDPOINT", "http://127.0.0.1:9")  # a port that nobody listens on
    profile = dataclasses.replace(tiny_profile, detector=DetectorSettings(model="open/detector"))
    state = availability.find_models(profile)[2]
    assert not state.found
    assert "the hub cannot be reached; check the network" in state.detail


def test_without_a_network_the_advice_is_to_copy_the_model():
    for load, settings in (
        (Detector, DetectorSettings(model="someone/detector")),
        (Generator, GeneratorSettings(model="someone/generator")),
        (ClipEncoder, EncoderSettings(model="hf-hub:someone/clip")),
        (ClipEncoder, EncoderSettings(model="hf-hub:someone/clip", revision="v2")),
        (ClipEncoder, EncoderSettings(model="ViT-B-32", pretrained="openai")),
        (ClipEncoder, EncoderSettings(model="ViT-B-32", pretrained="openai", revision="v2")),
    ):
        with pytest.raises(CheckpointError, match="hub cannot be reached; check the network, or copy"):
            load.from_settings(settings, CPU)


def test_doctor_finds_folders_and_counts_what_they_need(tiny_profile):
    models = availability.find_models(tiny_profile)
    assert all(model.found and model.here for model in models)
    loaded = Detector.from_settings(tiny_profile.detector, CPU)
    assert models[2].parameters == sum(value.numel() for value in loaded.model.state_dict().values())
    full = availability.memory_needed(tiny_profile, models, CPU)
    generator = dataclasses.replace(tiny_profile.generator, precision="bfloat16")
    half = availability.memory_needed(dataclasses.replace(tiny_profile, generator=generator), models, CPU)
    assert full - half == pytest.approx(1.25 * 2 * models[0].parameters, abs=2)
    assert availability.memory_free(CPU) > 2**20


def test_doctor_names_open_clips_weights_where_there_are_none_of_that_name(tiny_profile):
    encoder = EncoderSettings(model="ViT-B-32", pretrained="openay")
    state = availability.find_models(dataclasses.replace(tiny_profile, encoder=encoder))[1]
    assert not state.found
    assert "it has: openai, laion400m" in state.detail


def test_too_little_memory_is_said_with_what_helps(tiny_profile, monkeypatch):
    error = explain(torch.OutOfMemoryError("CUDA out of memory."), "The generator", "a/b")
    assert isinstance(error, ResourceError)
    generator = Generator.from_settings(tiny_profile.generator, CPU)

    def forward(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(generator.pipeline.unet, "forward", forward)
    with pytest.raises(ResourceError, match="2 pictures of 32 x 32 .* lower `batch_size`.*attention_slicing"):
        generator.generate(["a dog", "a cat"], [1, 2])


# diffusers' Euler scheduler hands numpy a torch tensor in a way that numpy retires.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(("kind", "steps", "guidance"), [("turbo", 1, 0.0), ("lcm", 2, 8.0)])
def test_generators_of_few_steps(tmp_path, kind, steps, guidance):
    save_generator_folder(tmp_path / kind, ["dog"], kind)
    settings = GeneratorSettings(
        model=str(tmp_path / kind), steps=steps, guidance_scale=guidance, height_px=32, width_px=32
    )
    seen = []
    generator = Generator.from_settings(settings, CPU)
    pictures = generator.generate(["a dog", "two dogs"], [1, 2], lambda *step: seen.append(step[:2]))
    assert [picture.size for picture in pictures] == [(32, 32)] * 2
    assert seen == [(step + 1, steps) for step in range(steps)]


def test_slices_change_memory_and_not_the_picture(tiny_profile):
    sliced = dataclasses.replace(tiny_profile.generator, attention_slicing=True, offload="model")
    plain, other = (
        Generator.from_settings(settings, CPU).generate(["a dog", "a cat"], [1, 2])
        for settings in (tiny_profile.generator, sliced)
    )
    for left, right in zip(plain, other, strict=True):
        assert max(abs(a - b) for a, b in zip(left.tobytes(), right.tobytes(), strict=True)) <= 2


def test_half_precision_where_the_settings_say_so(tiny_profile):
    settings = dataclasses.replace(tiny_profile.generator, precision="bfloat16")
    generator = Generator.from_settings(settings, CPU)
    assert generator.pipeline.unet.dtype == torch.bfloat16
    assert generator.generate(["a dog"], [1])[0].size == (32, 32)
    with pytest.raises(
        InputError, match="`precision` must be one of auto, float32, float16, bfloat16, not 'half'"
    ):
        GeneratorSettings(model="a/b", precision="half")

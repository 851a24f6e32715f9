"""Visitors' training runs on tiny real models: queue, stopping, resuming, a closed tab, limits, isolation."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from syntic.errors import BusyError, CheckpointError, DataError, InputError
from syntic.evaluation import metrics
from syntic.jobs import (
    HostedProfile,
    JobLimits,
    JobManager,
    JobRequest,
    JobState,
    JobStatus,
    Work,
    carry_out,
    carry_out_apart,
    manager,
)
from syntic.jobs.files import JobFiles
from syntic.jobs.work import pictures_at_a_time
from syntic.runtime import ModelLock
from syntic.service import SynticService, WalkRequest
from syntic.training import StepDone, TrainingFinished
from syntic.types import Finished, TraceSettings

OWN = tuple(f"a {animal} in the {place}" for animal in ("dog", "cat", "bird") for place in ("park", "grass"))
FOREVER = 100_000
SHORT = JobRequest(corpus="everyday", variant="fp", steps=6)


@pytest.fixture(autouse=True)
def _without_java(monkeypatch):
    monkeypatch.setattr(metrics, "java_available", lambda: False)  # a second for each validation


@pytest.fixture(scope="module")
def service(tiny_profile) -> SynticService:
    """One for all tests, so that the models are loaded once; each test has runs of its own."""
    return SynticService(tiny_profile, torch.device("cpu"))


@pytest.fixture
def make(service, tiny_profile, tmp_path) -> Iterator[Callable[..., JobManager]]:
    made: list[JobManager] = []

    def make(folder: Path | None = tmp_path / "runs", **options) -> JobManager:
        limits = JobLimits(**{"captions": 20, "steps": FOREVER, "waiting": 2, **options})
        components = service.pipeline.components
        service.jobs = JobManager(tiny_profile, components, service._turns, folder=folder, limits=limits)
        made.append(service.jobs)
        return service.jobs

    yield make
    for one in made:
        one.close()


@pytest.fixture
def jobs(make) -> JobManager:
    return make()


def long_run(**changes) -> JobRequest:
    return dataclasses.replace(SHORT, steps=FOREVER, **changes)


def wait(jobs: JobManager, key: str, *states: JobState, seconds: float = 180) -> JobStatus:
    """Look at a run until it is in one of the states."""
    deadline = time.monotonic() + seconds
    while (status := jobs.status(key)).state not in states:
        assert time.monotonic() < deadline, status
        assert status.state is not JobState.FAILED, status.note
        time.sleep(0.01)
    return status


def wait_for_steps(jobs: JobManager, key: str, steps: int = 3) -> JobStatus:
    while (status := wait(jobs, key, JobState.TRAINING)).step < steps:
        time.sleep(0.01)
    return status


def test_a_run_on_a_corpus_trains_at_once_and_ends_with_a_decoder(jobs):
    key = jobs.submit(SHORT)
    status = wait(jobs, key, JobState.FINISHED)
    assert status.step == status.steps == 6
    assert [step for step, _ in status.losses] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in status.curve] == [step for step, _ in status.samples] == [2, 4, 6]
    assert len(status.samples[-1][1]) > 1
    assert status.captions == 27
    assert status.label == "fp, everyday, 6 steps"
    assert jobs.pictures(key, 5) == []


def test_new_captions_are_drawn_first_and_become_the_support(jobs, service):
    key = jobs.submit(JobRequest(captions=OWN, variant="syntic", steps=4, name="  my   dogs "))
    status = wait(jobs, key, JobState.FINISHED)
    assert status.label == "my dogs"
    assert status.corpus is None
    assert [caption for caption, _ in jobs.pictures(key, 2)] == list(OWN[-2:])
    settings = TraceSettings(corpus=status.name, variant="syntic", refinement_steps=5)
    trace = list(service.walk(WalkRequest(text=OWN[0], settings=settings)))[-1].trace
    assert set(trace.projection.top_captions) == set(OWN)
    assert service.corpus_size(status.name) == len(OWN)


def test_a_budget_in_minutes_becomes_steps_that_fit(jobs):
    started = time.monotonic()
    key = jobs.submit(JobRequest(corpus="everyday", variant="af", minutes=0.03))
    status = wait(jobs, key, JobState.FINISHED)
    assert status.steps == status.step >= 8
    assert status.seconds < 10
    assert time.monotonic() - started < 60


def test_a_stopped_run_resumes_where_it_was_and_ends_like_one_that_was_not(jobs, monkeypatch, tmp_path):
    def weights(key: str) -> bytes:
        with zipfile.ZipFile(jobs.pack(key, tmp_path / key)) as archive:
            return archive.read(next(n for n in archive.namelist() if n.endswith(".safetensors")))

    def stop_after_five(*args):
        for event in carry_out(*args):
            yield event
            if isinstance(event, StepDone) and event.step == 5:
                jobs.stop(key)

    request = dataclasses.replace(SHORT, steps=12)
    straight = jobs.submit(request)
    wait(jobs, straight, JobState.FINISHED)
    with monkeypatch.context() as patch:
        patch.setattr(manager, "carry_out", stop_after_five)
        key = jobs.submit(request)
        stopped = wait(jobs, key, JobState.STOPPED)
    assert stopped.note == "You stopped it."
    assert stopped.step == 5
    jobs.resume(key)
    status = wait(jobs, key, JobState.FINISHED)
    assert status.note == ""
    steps = [step for step, _ in status.losses]
    assert steps == sorted(set(steps)) == list(range(1, 13))
    assert weights(key) == weights(straight)
    with pytest.raises(InputError, match="only a stopped run"):
        jobs.resume(key)


def test_a_run_that_is_stopped_while_it_draws_keeps_its_pictures(jobs, service, monkeypatch):
    generator = service.pipeline.generator
    generate, drawn = generator.generate, []

    def draw(texts, seeds, on_step=None):
        drawn.extend(texts)
        if len(drawn) == 4:
            jobs.stop(key)
        return generate(texts, seeds, on_step)

    monkeypatch.setattr(generator, "generate", draw)
    key = ""
    with jobs._condition:  # so that the run does not start before its key is known
        key = jobs.submit(JobRequest(captions=OWN, variant="baseline", steps=3))
    stopped = wait(jobs, key, JobState.STOPPED)
    assert stopped.done == 4
    jobs.resume(key)
    wait(jobs, key, JobState.FINISHED)
    assert drawn == list(OWN)


def test_one_run_at_a_time_in_order_and_each_knows_its_place(jobs):
    first = jobs.submit(long_run())
    wait_for_steps(jobs, first)
    second, third = jobs.submit(SHORT), jobs.submit(SHORT)
    assert [jobs.status(key).ahead for key in (first, second, third)] == [0, 1, 2]
    with pytest.raises(BusyError, match="2 runs are waiting"):
        jobs.submit(SHORT)
    jobs.stop(second)
    assert jobs.status(second).state is JobState.STOPPED
    assert jobs.status(third).ahead == 1
    jobs.resume(second)
    assert jobs.status(second).ahead == 2
    jobs.stop(first)
    wait(jobs, third, JobState.FINISHED)
    wait(jobs, second, JobState.FINISHED)
    assert jobs.status(first).state is JobState.STOPPED


def test_a_walk_is_answered_while_a_run_goes_on(jobs, service):
    key = jobs.submit(long_run(variant="syntic"))
    wait_for_steps(jobs, key)
    for _ in range(3):
        walk = WalkRequest(text="a dog in the park", settings=TraceSettings(refinement_steps=5))
        assert isinstance(list(service.walk(walk))[-1], Finished)
    before = jobs.status(key).step
    assert wait_for_steps(jobs, key, before + 1).state is JobState.TRAINING


def test_a_run_waits_however_many_walks_are_ahead(tiny_profile, tmp_path):
    service = SynticService(tiny_profile, torch.device("cpu"), capacity=0, runs=tmp_path)
    walk = service.walk(WalkRequest(text="a dog", settings=TraceSettings(refinement_steps=5)))
    next(walk)
    key = service.jobs.submit(SHORT)
    list(walk)
    wait(service.jobs, key, JobState.FINISHED)
    service.jobs.close()


@pytest.mark.parametrize("keep_going", [True, False])
def test_a_closed_tab_stops_a_run_or_does_not_as_chosen(jobs, monkeypatch, keep_going):
    key = jobs.submit(long_run(keep_going=keep_going))
    wait_for_steps(jobs, key)
    monkeypatch.setattr(manager, "GONE_SECONDS", 0.2)
    time.sleep(1.0)
    status = jobs.status(key)
    if keep_going:
        assert status.state is JobState.TRAINING
        jobs.keep_going(key, False)
        time.sleep(1.0)
        status = jobs.status(key)
    assert status.state is JobState.STOPPED
    assert status.note == "Nobody was looking, so it was stopped."


def test_runs_survive_the_process(jobs, make):
    done, going = jobs.submit(SHORT), jobs.submit(long_run())
    wait_for_steps(jobs, going)
    jobs.close()
    with pytest.raises(BusyError, match="being stopped"):
        jobs.submit(SHORT)
    again = make()
    assert again.status(done).state is JobState.FINISHED
    stopped = again.status(going)
    assert stopped.state is JobState.STOPPED
    assert stopped.note == "The app was stopped."
    again.resume(going)
    assert wait_for_steps(again, going, stopped.step + 1).losses[0][0] == 1


def test_a_run_that_was_killed_can_be_resumed(jobs, make, tmp_path):
    key = jobs.submit(SHORT)
    status = wait(jobs, key, JobState.FINISHED)
    path = tmp_path / "runs" / status.name / "job.json"
    raw = json.loads(path.read_text())
    raw["status"]["state"] = "training"
    path.write_text(json.dumps(raw))
    (tmp_path / "runs" / "run-nonsense").mkdir()
    (tmp_path / "runs" / "run-nonsense" / "job.json").write_text("{}")
    again = make()
    assert again.status(key).state is JobState.STOPPED
    assert again.status(key).note == "The app was started anew in the meantime."


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (JobRequest(corpus="nowhere", steps=5), "no corpus 'nowhere'"),
        (JobRequest(corpus="run-0123", steps=5), "no corpus 'run-0123'"),
        (JobRequest(corpus="everyday", variant="best", steps=5), "no variant 'best'"),
        (JobRequest(captions=OWN[:4], steps=5), "There are 4 captions; give at least 5"),
        (JobRequest(captions=tuple(f"dog {n}" for n in range(21)), steps=5), "21 captions.*at most 20"),
        (JobRequest(corpus="everyday"), "either in steps or in minutes"),
        (JobRequest(corpus="everyday", steps=5, minutes=1), "either in steps or in minutes"),
        (JobRequest(corpus="everyday", steps=FOREVER + 1), "1 to 100,000 steps .* is 100,001"),
        (JobRequest(corpus="everyday", steps=0), "1 to 100,000 steps"),
        (JobRequest(corpus="everyday", minutes=31), "at most 30 minutes .* is 31"),
        (JobRequest(corpus="everyday", minutes=float("nan")), "at most 30 minutes"),
        (JobRequest(corpus="everyday", steps=5, device="cuda"), "no device 'cuda' here; choose cpu"),
        (JobRequest(corpus="everyday", steps=5, name="n" * 41), "41 characters"),
    ],
)
def test_what_cannot_be_done_here_is_refused_in_one_sentence(jobs, request_, message):
    with pytest.raises(InputError, match=message):
        jobs.submit(request_)
    assert len(jobs._runs) == 0


def test_limits_come_from_the_environment():
    limits = JobLimits.from_environment({"SYNTIC_TRAIN_MINUTES": "2.5", "SYNTIC_TRAIN_CAPTIONS": " 40 "})
    assert limits == JobLimits(minutes=2.5, captions=40)
    for value in ("many", "-1", "nan"):
        with pytest.raises(InputError, match="SYNTIC_TRAIN_MINUTES must be a number"):
            JobLimits.from_environment({"SYNTIC_TRAIN_MINUTES": value})
    with pytest.raises(InputError, match="SYNTIC_TRAIN_STEPS"):
        JobLimits.from_environment({"SYNTIC_TRAIN_STEPS": "1.5"})


def test_a_host_can_switch_training_off(make):
    with pytest.raises(InputError, match="switched off"):
        make(minutes=0).submit(SHORT)


def test_a_run_that_needs_more_than_a_turn_is_stopped_and_may_be_resumed(make):
    jobs = make(minutes=0.005)
    key = jobs.submit(long_run())
    status = wait(jobs, key, JobState.STOPPED)
    assert status.note == "Its 0.005 minutes on this host are over."
    jobs.resume(key)
    assert wait(jobs, key, JobState.STOPPED).step > status.step


def test_a_full_disk_is_said_before_and_during_a_run(jobs, monkeypatch):
    usage = type("Usage", (), {"free": 1_000_000})
    with monkeypatch.context() as patch:
        patch.setattr("syntic.jobs.files.shutil.disk_usage", lambda path: usage)
        with pytest.raises(DataError, match="disk of this host is full: 1 MB"):
            jobs.submit(SHORT)

    def full(*args):
        raise DataError(f"The disk is full: {jobs._files.root}/state was not written.")

    monkeypatch.setattr("syntic.training.loop.save_state", full)
    key = jobs.submit(SHORT)
    with pytest.raises(AssertionError, match="The disk is full: state was not written."):
        wait(jobs, key, JobState.FINISHED)
    monkeypatch.undo()
    monkeypatch.setattr(metrics, "java_available", lambda: False)
    jobs.resume(key)
    wait(jobs, key, JobState.FINISHED)


def test_a_fault_of_ours_ends_the_run_and_not_the_queue(jobs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(manager, "carry_out", lambda *args: 1 / 0)
        key = jobs.submit(SHORT)
        with pytest.raises(AssertionError, match="Something went wrong inside the app"):
            wait(jobs, key, JobState.FINISHED)
    wait(jobs, jobs.submit(SHORT), JobState.FINISHED)


# -- isolation and space -----------------------------------------------------------------------


def test_only_the_key_opens_a_run(jobs, service, tmp_path):
    key = jobs.submit(long_run())
    name = wait_for_steps(jobs, key).name
    assert key not in "".join(path.as_posix() for path in tmp_path.rglob("*"))
    assert key not in (tmp_path / "runs" / name / "job.json").read_text()
    for other in ("", name, key[:-1], f"../{name}", "\ud800"):
        for action in (jobs.status, jobs.stop, jobs.resume, jobs.remove):
            with pytest.raises(InputError, match="no such run"):
                action(other)
        with pytest.raises(InputError, match="no such run"):
            jobs.pack(other, tmp_path)
    assert jobs.status(key).state is JobState.TRAINING


def test_an_unfinished_or_unknown_run_is_no_corpus(jobs, service):
    key = jobs.submit(long_run())
    name = wait_for_steps(jobs, key).name
    for corpus in (name, "run-" + "0" * 24, "run-../../etc"):
        with pytest.raises(InputError, match="not here any more") as caught:
            service.profile.corpus(corpus)
        assert name not in caught.value.detail
    assert isinstance(service.profile, HostedProfile)
    assert list(service.profile.corpora) == ["everyday"]
    with pytest.raises(InputError) as caught:
        service.profile.corpus("nowhere")
    assert "run-" not in caught.value.detail


def test_runs_of_the_same_settings_share_nothing_but_the_refined_features(jobs, tmp_path):
    request = JobRequest(corpus="everyday", variant="fo", steps=4)
    keys = [jobs.submit(request), jobs.submit(request)]
    names = [wait(jobs, key, JobState.FINISHED).name for key in keys]
    for name in names:
        assert (tmp_path / "runs" / name / "decoder" / "fo.safetensors").is_file()
    assert len(list((tmp_path / "runs" / "cache").glob("refined-*"))) == 1
    jobs.remove(keys[0])
    assert not (tmp_path / "runs" / names[0]).exists()
    assert jobs.status(keys[1]).state is JobState.FINISHED


def test_a_run_that_goes_on_cannot_be_removed(jobs):
    key = jobs.submit(long_run())
    with pytest.raises(InputError, match="stop it before you remove it"):
        jobs.remove(key)


def test_the_oldest_runs_make_room_but_never_one_that_goes_on(make, tmp_path):
    jobs = make(kept=2)
    keys = [jobs.submit(SHORT)]
    wait(jobs, keys[0], JobState.FINISHED)
    keys.append(jobs.submit(SHORT))
    wait(jobs, keys[1], JobState.FINISHED)
    keys.append(jobs.submit(long_run()))
    wait_for_steps(jobs, keys[2])
    with pytest.raises(InputError, match="no such run"):
        jobs.status(keys[0])
    keys.append(jobs.submit(long_run()))
    with pytest.raises(InputError, match="no such run"):
        jobs.status(keys[1])
    assert jobs.status(keys[2]).state is JobState.TRAINING
    assert len(list((tmp_path / "runs").glob("run-*"))) == 2


@pytest.mark.parametrize("limits", [{"days": 0}, {"megabytes": 0}])
def test_old_or_large_runs_are_removed(make, limits):
    jobs = make(**limits)
    key = jobs.submit(SHORT)
    wait(jobs, key, JobState.FINISHED)
    second = jobs.submit(SHORT)
    with pytest.raises(InputError, match="no such run"):
        jobs.status(key)
    wait(jobs, second, JobState.FINISHED)


def test_without_a_folder_runs_lie_in_one_that_ends_with_them():
    files = JobFiles()
    root = files.root
    assert root.is_dir()
    del files
    assert not root.exists()


# -- in and out --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(service, tiny_profile, tmp_path_factory) -> Path:
    jobs = JobManager(tiny_profile, service.pipeline.components, ModelLock())
    key = jobs.submit(dataclasses.replace(SHORT, name="my: first/decoder"))
    wait(jobs, key, JobState.FINISHED)
    jobs.close()
    return jobs.pack(key, tmp_path_factory.mktemp("packed"))


def test_a_decoder_leaves_and_comes_back(jobs, service, packed, tmp_path):
    assert packed.name == "my-first-decoder.zip"
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["my-first-decoder.safetensors", "my-first-decoder.json"]
        sidecar = archive.read("my-first-decoder.json").decode()
        archive.extractall(tmp_path)
    assert "/tmp" not in sidecar, "a path of this machine goes out"
    pair = [tmp_path / f"{packed.stem}{suffix}" for suffix in (".json", ".safetensors")]
    for files in ([packed], pair):
        status = jobs.status(jobs.unpack(files))
        assert (status.state, status.variant, status.corpus) == (JobState.FINISHED, "fp", "everyday")
        assert status.label == "my-first-decoder"
        assert status.step == 6
        assert len(status.losses) == 6
        assert status.note == ""
        settings = TraceSettings(corpus=status.name, variant="fp", refinement_steps=5)
        walk = WalkRequest(image=next(iter(service.example_images.values())), settings=settings)
        assert list(service.walk(walk))[-1].trace.caption is not None


def test_a_decoder_of_other_captions_says_what_stands_in_for_them(jobs, tmp_path):
    key = jobs.submit(JobRequest(captions=OWN, variant="fp", steps=3))
    wait(jobs, key, JobState.FINISHED)
    status = jobs.status(jobs.unpack([jobs.pack(key, tmp_path)]))
    assert "takes those of “everyday”" in status.note


def rewritten(path: Path, target: Path, weights=lambda data: data, **changes) -> Path:
    """The zip with changes to its sidecar, "a.b" for what is inside."""
    with zipfile.ZipFile(path) as source:
        data = {Path(name).suffix: source.read(name) for name in source.namelist()}
    sidecar = json.loads(data[".json"])
    for name, value in changes.items():
        part = sidecar
        *outer, last = name.split("__")
        for step in outer:
            part = part[step]
        part[last] = value
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("x.safetensors", weights(data[".safetensors"]))
        archive.writestr("x.json", json.dumps(sidecar))
    return target


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profile": "paper"}, "for the profile 'paper', not for 'tiny'"),
        ({"store__models__encoder": "other"}, "another CLIP model"),
        ({"decoder__width": 10**9}, "width is 1000000000, but this profile's is 32"),
        ({"decoder__vocabulary_size": 10**9}, "vocabulary_size"),
        ({"decoder__nonsense": 1}, "damaged"),
        ({"variant": "../../../etc/passwd"}, "does not describe a decoder"),
        ({"variant": ["fp"]}, "does not describe a decoder"),
        ({"variant": "af"}, "damaged"),
        ({"decoder": "large"}, "does not describe a decoder"),
        ({"weights_sha256": "0"}, "damaged"),
        ({"format": 2}, "damaged"),
    ],
)
def test_a_foreign_or_forged_sidecar_is_refused(jobs, packed, tmp_path, changes, message):
    path = rewritten(packed, tmp_path / "forged.zip", **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        jobs.unpack([path])
    assert str(tmp_path) not in caught.value.detail
    assert list((tmp_path / "runs").iterdir()) == []


def test_broken_files_are_refused(jobs, packed, tmp_path):
    short = tmp_path / "short.zip"
    short.write_bytes(packed.read_bytes()[:-3000])
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for files, message in (
        ([short], r"no \.safetensors and no \.json|damaged"),
        ([text], r"no \.safetensors and no \.json"),
        ([rewritten(packed, tmp_path / "cut.zip", weights=lambda data: data[:-8])], "damaged"),
    ):
        with pytest.raises(CheckpointError, match=message):
            jobs.unpack(files)


def test_only_a_finished_run_has_a_decoder(jobs, tmp_path):
    key = jobs.submit(long_run())
    with pytest.raises(InputError, match="once it is finished"):
        jobs.pack(key, tmp_path)


# -- another process ---------------------------------------------------------------------------


def test_a_run_can_be_carried_out_elsewhere(tiny_profile, tmp_path):
    """As on ZeroGPU, where only a forked process has the device: nothing but `Work` is handed over."""
    handed: list[Work] = []

    def elsewhere(work: Work):
        handed.append(work)
        return carry_out_apart(work)

    jobs = SynticService(tiny_profile, torch.device("cpu"), runs=tmp_path, apart=elsewhere).jobs
    with pytest.raises(InputError, match="choose cuda"):
        jobs.submit(SHORT)
    request = dataclasses.replace(SHORT, device="cuda")
    key = jobs.submit(request)
    with pytest.raises(AssertionError):  # there is no CUDA here: said in the run, not raised in the queue
        wait(jobs, key, JobState.FINISHED)
    assert handed[0].request == request
    jobs.close()


def test_apart_errors_and_stops_are_events(tiny_profile, tmp_path):
    work = Work(
        profile=tiny_profile,
        request=SHORT,
        folder=tmp_path / "run",
        cache=tmp_path / "cache",
        steps=6,
        minutes=1,
        max_steps=10,
    )
    assert isinstance(list(carry_out_apart(work))[-1], TrainingFinished)
    (tmp_path / "run" / "stop").touch()
    again = dataclasses.replace(work, request=dataclasses.replace(SHORT, steps=50), steps=50)
    assert type(list(carry_out_apart(again))[-1]).__name__ == "TrainingPaused"
    broken = dataclasses.replace(work, request=dataclasses.replace(SHORT, corpus="nowhere"))
    assert "no corpus" in list(carry_out_apart(broken))[-1].sentence


def test_a_visitor_cannot_block_the_lock_of_the_manager(jobs):
    """Looking at a run is answered at once while another is being trained."""
    key = jobs.submit(long_run())
    wait_for_steps(jobs, key)
    answered = threading.Event()
    threading.Thread(target=lambda: (jobs.status(key), answered.set())).start()
    assert answered.wait(5)


def test_a_gpu_draws_as_many_at_a_time_as_the_profile_says(tiny_profile):
    """Which is what the message on too little memory advises to lower; whoever waits for a CPU waits less."""
    for size, on_cpu in ((1, 1), (16, 2)):
        generator = dataclasses.replace(tiny_profile.generator, batch_size=size)
        profile = dataclasses.replace(tiny_profile, generator=generator)
        assert pictures_at_a_time(profile, torch.device("cuda")) == size
        assert pictures_at_a_time(profile, torch.device("cpu")) == on_cpu

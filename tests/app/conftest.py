"""The service on the tiny profile, and the app served with it."""

from __future__ import annotations

import pytest
import torch
from results import with_results
from served import serve, with_map

from syntic.service import SynticService


@pytest.fixture(scope="session")
def service(tiny_profile, tmp_path_factory) -> SynticService:
    folder = tmp_path_factory.mktemp("profile")
    profile = with_results(with_map(tiny_profile, folder), folder / "results")
    return SynticService(profile, torch.device("cpu"))


@pytest.fixture(scope="session")
def address(service):
    with serve(service) as url:
        yield url

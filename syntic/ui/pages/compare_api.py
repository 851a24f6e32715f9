"""The endpoints of the page "Compare" for scripts: the same use cases, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any, TypeVar

import gradio as gr

from ...compare_service import CompareRequest, PairView, PictureChoice, Source, SystemCaption, SystemFailed
from ...errors import DataError, InputError
from ...service import SynticService
from ..components.picture_box import path_of_upload
from ..errors import describe, to_gradio

T = TypeVar("T")


class CompareEndpoints:
    """The endpoints on one service; their docstrings are their documentation."""

    def __init__(self, service: SynticService) -> None:
        self.service = service
        self.comparison = service.comparison

    def add(self) -> None:
        """Name them inside the current `gr.Blocks`."""
        for endpoint in (self.compare_systems, self.compare_tables, self.compare_pair):
            gr.api(  # type: ignore[attr-defined]
                endpoint, api_name=endpoint.__name__, concurrency_limit=4
            )
        image = gr.Image(visible=False, type="filepath", label="image")
        image.preprocess = path_of_upload  # type: ignore[method-assign]
        gr.Button(visible=False).click(
            self.compare_picture,
            inputs_kwargs={
                "systems": gr.Textbox(visible=False, label="systems, with commas"),
                "image": image,
                "example": gr.Textbox(visible=False, label="name of an example picture"),
                "test": gr.Textbox(visible=False, label="name of a test picture"),
                "test_set": gr.Textbox(visible=False, label="its test set; empty takes the first"),
            },
            outputs=gr.JSON(visible=False, label="captions so far; the last has all"),
            api_name="compare_picture",
            concurrency_limit=20,
            concurrency_id="compare",
        )

    def compare_systems(self) -> list[dict[str, Any]]:
        """List the systems that can caption a picture here.

        Returns:
            One object for each: key, label, group (what it learned from), corpus, is_upper_bound, is_slow.
        """
        return _answer(lambda: [asdict(system) for system in self.comparison.systems()])

    def compare_picture(
        self,
        systems: str | None,
        image: str | None,
        example: str | None,
        test: str | None,
        test_set: str | None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Let systems caption one picture: an upload, one of the gallery, or one of a test set.

        Args:
            systems: their keys with commas, as `/compare_systems` lists them.
            image: a picture of your own; leave the next two out then.
            example: a picture of the gallery, by its name.
            test: a picture of a test set, by its name.
            test_set: the test set of `test`; empty takes the first.

        Returns:
            One object for each system so far; a caption has its CIDEr where there are references, a failure
            says why.
        """
        try:
            keys = tuple(key.strip() for key in (systems or "").split(",") if key.strip())
            request = CompareRequest(picture=self._picture(image, example, test, test_set), systems=keys)
            found: list[dict[str, Any]] = []
            with closing(self.comparison.compare(request)) as events:
                for event in events:
                    if isinstance(event, SystemCaption | SystemFailed):
                        found.append(asdict(event))
                        yield found
        except Exception as error:
            raise to_gradio(error) from error

    def compare_tables(self) -> dict[str, Any]:
        """Return the results of the paper's experiments on this profile, ours beside the paper's.

        Returns:
            For each experiment its table, or a string that says what is missing and which command writes it.
        """

        def make() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for name, table in self.comparison.tables().items():
                if table is None:
                    found[name] = self.comparison.missing(name)
                else:
                    found[name] = describe(table) if isinstance(table, DataError) else asdict(table)
            return found

        return _answer(make)

    def compare_pair(
        self,
        first: str,
        second: str,
        test_set: str = "",
        label: str = "",
        count: int = 0,
        setting: str = "",
        combination: str = "",
    ) -> dict[str, Any]:
        """Set two systems against each other on all pictures that an experiment captioned.

        Args:
            first: a system of the committed captions, `syntic` for example.
            second: the one it is compared with.
            test_set: empty takes the first that has captions.
            label: count only pictures with such an object.
            count: count only pictures with that many objects; 4 stands for 4 and more, 0 for all.
            setting: count only pictures of scenes there.
            combination: count only pictures of one kind of things ("single"), or of kinds that texts name
                together ("seen") or that none does ("unseen").

        Returns:
            How many pictures count, both means of CIDEr-D x 100, how often each is better, and the largest
            wins and losses with both captions and the references.
        """

        def make() -> dict[str, Any]:
            known = self.comparison.captioned()
            name = test_set or next(iter(known), "")
            if name not in known:
                raise InputError(
                    f"There are no captions of {name!r}; there are: {', '.join(known) or 'none'}."
                )
            view = PairView(
                test_set=name,
                first=first,
                second=second,
                label=label,
                count=count,
                setting=setting,
                combination=combination,
            )
            outcome = asdict(self.comparison.pair(view))
            for difference in (*outcome["wins"], *outcome["losses"]):
                del difference["image"]  # a path of this machine
            return outcome

        return _answer(make)

    def _picture(
        self, image: str | None, example: str | None, test: str | None, test_set: str | None
    ) -> PictureChoice:
        given = [value for value in (image, example, test) if value]
        if len(given) != 1:
            raise InputError("Give exactly one of `image`, `example` and `test`.")
        if image:
            return PictureChoice(Source.UPLOAD, image)
        if example:
            return PictureChoice(Source.EXAMPLE, example)
        return PictureChoice(
            Source.TEST, given[0], test_set or next(iter(self.service.profile.test_sets), "")
        )


def _answer(make: Callable[[], T]) -> T:
    try:
        return make()
    except Exception as error:
        raise to_gradio(error) from error

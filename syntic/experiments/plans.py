"""What each experiment consists of: which systems learn from which texts and caption which pictures.

A plan follows from a profile alone. Its corpora say which data set of the paper they stand for (`like`) and
which pictures are of their domain; what the profile lacks is said in one sentence, as an error where nothing
is left of the experiment, else beside its table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..baselines import PICTURE_RECIPES, is_upper_bound
from ..errors import InputError
from ..evaluation.published import TABLE1, TABLE2, TABLE3, TABLE4, PublishedRow, PublishedScores, find
from ..method import VARIANTS
from ..method.improvement import IMPROVEMENTS
from ..profiles import Profile

SEEDS = 3
SHARES = (0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
REFINEMENT_STEPS = (0, 100, 500, 1000, 2000)
INVERSE_TEMPERATURES = (20, 50, 80, 100, 150, 200)
TESTED_TEMPERATURES = (80, 100, 130, 160)
TESTED_VARIANTS = ("fp", "fp+fo", "fp+af", "syntic")
"""Variants that are tested at other temperatures than they learned at."""

COCO, FLICKR, WEB = "MSCOCO", "Flickr30k", "SS1M"
TABLE1_SYSTEMS = (
    *("butd", "clipcap", "barraco", "feng", "laina", "esper-style"),
    *("clipre", "zerocap", "magic", "capdec", "close", "decap", "syntic"),
)
TABLE2_SYSTEMS = ("clipre", "magic", "capdec", "decap", "decap-tt", "syntic", "syntic-tt")
TABLE3_SYSTEMS = ("zerocap", "clipre", "decap", "syntic")
FIGURE2_SYSTEMS = ("syntic", "magic", "capdec", "decap")
ONE_SEED = {"clipre", "magic", "zerocap", *PICTURE_RECIPES}
"""Systems run with one seed: those without training, with a search of their own, or on real pictures."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One system, trained once, on one set of pictures.

    Attributes:
        system: a variant's or a compared system's name.
        corpus: the texts that it learns from.
        domain: the corpus of the domain that is tested.
        test_set: the pictures that are captioned.
        seed: of the training, and of which texts a share takes.
        share: of the corpus' texts, above 0 to 1; the number of optimiser steps is the whole corpus'.
        improvement: of the training, see `syntic.method.improvement`.
        refinement_steps: of Eq. 2; None is the profile's.
        temperature: of Eq. 3, in training and at inference; None is the profile's.
        tested_temperature: of Eq. 3 at inference alone; None is that of the training.
        mask_own_caption: whether Eq. 3 leaves out each caption's own text while training.
    """

    system: str
    corpus: str
    domain: str
    test_set: str
    seed: int = 0
    share: float = 1.0
    improvement: str | None = None
    refinement_steps: int | None = None
    temperature: float | None = None
    tested_temperature: float | None = None
    mask_own_caption: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system in one group of columns.

    Attributes:
        name: of the row; a system's, or what is varied.
        group: of columns, in the paper's words where it has them.
        runs: one for each seed.
        paper: what the paper has there, or None.
    """

    name: str
    group: str
    runs: tuple[Run, ...]
    paper: PublishedScores | None = None

    @property
    def learns_from(self) -> str:
        """What it learns from: "texts", "unpaired pictures" or "real pairs"."""
        system = self.runs[0].system
        if is_upper_bound(system):
            return "real pairs"
        return "unpaired pictures" if system in PICTURE_RECIPES else "texts"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment.

    Attributes:
        name: on the command line.
        title: of its table.
        rows: in the order of the table.
        left_out: sentences on what the profile lacks.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """All runs, each once, seed by seed, so that an early stop leaves whole tables of fewer seeds."""
        runs = dict.fromkeys(run for row in self.rows for run in row.runs)
        return sorted(runs, key=lambda run: run.seed)

    @property
    def groups(self) -> list[str]:
        """The groups of columns."""
        return list(dict.fromkeys(row.group for row in self.rows))


@dataclass
class _Maker:
    """Makes the rows of a plan for one profile."""

    profile: Profile
    seeds: int
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def like(self, data_set: str) -> str | None:
        """Return the first corpus that stands for a data set."""
        return next((n for n, corpus in self.profile.corpora.items() if corpus.like == data_set), None)

    def with_pictures(self, data_set: str) -> str | None:
        """Return the same where there are pictures of its domain to test on."""
        name = self.like(data_set)
        return name if name is not None and self.profile.test_set_of(name) is not None else None

    def required(self, what: str, data_set: str, *, pictures: bool = True) -> str:
        name = self.with_pictures(data_set) if pictures else self.like(data_set)
        if name is None:
            raise InputError(self.lack(what, data_set, pictures=pictures))
        return name

    def lack(self, what: str, data_set: str, *, pictures: bool = True) -> str:
        needs = " with a test set" if pictures else ""
        return (
            f"{what} needs a corpus{needs} that stands for {data_set}, and profile {self.profile.name!r} has "
            f'none; name one with `like = "{data_set}"` in [corpora].'
        )

    def add(
        self,
        systems: Sequence[str],
        corpus: str,
        domain: str,
        group: str,
        paper: Callable[[str], PublishedScores | None] = lambda system: None,
    ) -> None:
        """Add a row for each system, trained on a corpus and tested on a domain."""
        test_set = self.profile.test_set_of(domain)
        assert test_set is not None
        for system in systems:
            if system in PICTURE_RECIPES and corpus not in self.profile.training_pictures:
                self.left_out.append(
                    f"{system} learns from real pictures, and profile {self.profile.name!r} names none for "
                    f"{corpus!r} in [training_pictures]."
                )
                continue
            run = Run(system=system, corpus=corpus, domain=domain, test_set=test_set)
            self.add_row(system, group, run, paper(system))

    def add_row(self, name: str, group: str, run: Run, paper: PublishedScores | None = None) -> None:
        count = 1 if run.system in ONE_SEED else self.seeds
        runs = tuple(replace(run, seed=seed) for seed in range(count))
        self.rows.append(Row(name=name, group=group, runs=runs, paper=paper))

    def plan(self, name: str, title: str) -> Plan:
        return Plan(name=name, title=title, rows=tuple(self.rows), left_out=tuple(self.left_out))


def make_plan(name: str, profile: Profile, seeds: int = SEEDS) -> Plan:
    """Return an experiment on a profile.

    Args:
        name: one of `PLANS`.
        profile: names the corpora and pictures.
        seeds: trainings of each system that learns from texts.

    Raises:
        InputError: if there is none of that name, the profile lacks what it needs, or `seeds` is below 1.
    """
    if name not in PLANS:
        raise InputError(f"There is no experiment {name!r}; choose one of {', '.join(PLANS)}.")
    if seeds < 1:
        raise InputError(f"An experiment needs at least 1 seed, not {seeds}.")
    title, build = PLANS[name]
    maker = _Maker(profile, seeds)
    build(maker)
    return maker.plan(name, title)


def _published(
    table: tuple[PublishedRow, ...], group: str, data: str | None = None
) -> Callable[[str], PublishedScores | None]:
    return lambda system: find(table, system, group, data)


def _table1(maker: _Maker) -> None:
    for data_set in (COCO, FLICKR):
        corpus = maker.with_pictures(data_set)
        if corpus is None:
            maker.left_out.append(maker.lack(f"The half on {data_set}", data_set))
        else:
            maker.add(TABLE1_SYSTEMS, corpus, corpus, data_set, _published(TABLE1, data_set))
    if not maker.rows:
        maker.required("Table 1", COCO)


def _table2(maker: _Maker) -> None:
    coco, flickr = maker.required("Table 2", COCO), maker.required("Table 2", FLICKR)
    for group, source, target in (
        (f"{COCO} -> {FLICKR}", coco, flickr),
        (f"{FLICKR} -> {COCO}", flickr, coco),
    ):
        maker.add(TABLE2_SYSTEMS, source, target, group, _published(TABLE2, group))


def _table3(maker: _Maker) -> None:
    web = maker.required("Table 3", WEB, pictures=False)
    coco = maker.required("Table 3", COCO)
    maker.add(TABLE3_SYSTEMS, web, coco, f"{WEB} -> {COCO}", _published(TABLE3, COCO, WEB))
    flickr = maker.with_pictures(FLICKR)
    if flickr is None:
        maker.left_out.append(maker.lack(f"The half on {FLICKR}, which the paper has not,", FLICKR))
    else:
        maker.add(TABLE3_SYSTEMS, web, flickr, f"{WEB} -> {FLICKR}")


def _table4(maker: _Maker) -> None:
    coco = maker.required("Table 4", COCO)
    names = [variant.name for variant in VARIANTS]
    maker.add(names, coco, coco, COCO, _published(TABLE4, COCO))
    group, flickr = f"{COCO} -> {FLICKR}", maker.with_pictures(FLICKR)
    if flickr is None:
        maker.left_out.append(maker.lack("The cross-domain half", FLICKR))
    else:
        maker.add(names, coco, flickr, group, _published(TABLE4, group))
        maker.add(names, flickr, flickr, FLICKR)  # the paper has not


def _figure2(maker: _Maker) -> None:
    coco = maker.required("Figure 2", COCO)
    test_set = maker.profile.test_set_of(coco)
    assert test_set is not None
    for system in FIGURE2_SYSTEMS:
        for share in SHARES:
            run = Run(system=system, corpus=coco, domain=coco, test_set=test_set, share=share)
            whole = find(TABLE1, system, COCO) if share == 1 else None
            maker.add_row(f"{system} {share:.0%}", COCO, run, whole)


def _validated(maker: _Maker, what: str) -> Run:
    """SynTIC on the validation pictures, where settings are compared."""
    coco = maker.required(what, COCO)
    validation = maker.profile.validation_set_of(coco)
    if validation is None:
        raise InputError(
            f"{what} is measured on validation pictures, and profile {maker.profile.name!r} has none of "
            f"{coco!r}; name them with `validation_set` in [corpora.{coco}]."
        )
    return Run(system="syntic", corpus=coco, domain=coco, test_set=validation)


def _sweep_refinement(maker: _Maker) -> None:
    run, usual = _validated(maker, "The sweep of Eq. 2"), maker.profile.refinement.steps
    for mask in (False, True):
        for steps in REFINEMENT_STEPS:
            name = f"{steps} steps, own caption {'masked' if mask else 'kept'}"
            chosen = None if steps == usual else steps
            changed = replace(run, refinement_steps=chosen, mask_own_caption=mask)
            maker.add_row(name, "validation", changed)


def _sweep_temperature(maker: _Maker) -> None:
    run = _validated(maker, "The sweep of Eq. 3")
    usual = maker.profile.corpus(run.corpus).temperature
    for inverse in INVERSE_TEMPERATURES:
        chosen = None if abs(1 / inverse - usual) < 1e-9 else 1 / inverse
        maker.add_row(f"temperature 1/{inverse}", "validation", replace(run, temperature=chosen))
    for variant in TESTED_VARIANTS:  # refined pictures are projected onto fewer texts than real ones
        for inverse in TESTED_TEMPERATURES:
            chosen = None if abs(1 / inverse - usual) < 1e-9 else 1 / inverse
            changed = replace(run, system=variant, tested_temperature=chosen)
            maker.add_row(f"{variant}, tested at 1/{inverse}", "validation, trained at the usual", changed)


def _improvements(maker: _Maker) -> None:
    run = _validated(maker, "The comparison of improvements")
    test_set = maker.profile.test_set_of(run.corpus)
    assert test_set is not None
    for group, pictures in (("validation", run.test_set), ("test", test_set)):
        base = replace(run, test_set=pictures)
        maker.add_row("syntic", group, base)
        for name in IMPROVEMENTS:
            maker.add_row(f"syntic, {name}", group, replace(base, improvement=name))
        if run.corpus in maker.profile.training_pictures:
            maker.add_row("clipcap", group, replace(base, system="clipcap"))
    if run.corpus not in maker.profile.training_pictures:
        maker.left_out.append(
            f"clipcap, the upper bound, learns from real pictures, and profile {maker.profile.name!r} names "
            f"none for {run.corpus!r} in [training_pictures]."
        )


PLANS: dict[str, tuple[str, Callable[[_Maker], None]]] = {
    "table1": ("Table 1: in-domain", _table1),
    "table2": ("Table 2: cross-domain", _table2),
    "table3": ("Table 3: zero-shot, from texts of the web", _table3),
    "table4": ("Table 4: the ablation", _table4),
    "figure2": ("Figure 2: shares of the training texts", _figure2),
    "sweep-refinement": ("Steps of Eq. 2, with the own caption kept or masked in Eq. 3", _sweep_refinement),
    "sweep-temperature": ("Temperature of Eq. 3", _sweep_temperature),
    "improvements": ("Improvements of the training, from texts alone", _improvements),
}
"""Name -> (title, what makes its rows)."""

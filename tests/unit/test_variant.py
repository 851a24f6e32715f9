import pytest

from syntic.errors import InputError
from syntic.method import VARIANTS, Variant


def test_the_eight_of_table_4_in_its_order():
    names = [variant.name for variant in VARIANTS]
    assert names == ["baseline", "fo", "fp", "af", "fo+af", "fp+fo", "fp+af", "syntic"]
    assert len(set(VARIANTS)) == 8


def test_names_say_what_is_in_them():
    assert Variant.parse("baseline") == Variant(refine=False, project=False, tags=False)
    assert Variant.parse("syntic") == Variant(refine=True, project=True, tags=True)
    for variant in VARIANTS[1:-1]:
        parts = set(variant.name.split("+"))
        assert parts == {
            n
            for n, used in zip(
                ("fo", "fp", "af"), (variant.refine, variant.project, variant.tags), strict=True
            )
            if used
        }


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_parse_and_name_are_inverse(variant):
    assert Variant.parse(variant.name) == variant
    assert Variant.parse(f" {variant.name.upper()} ") == variant


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'af\+fp'.*baseline, fo, .*syntic"):
        Variant.parse("af+fp")

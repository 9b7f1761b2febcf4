"""Which accounts are taken for one company, why, and how likely it is."""

import datetime as dt
import random
from itertools import pairwise

import pytest

from segmentation.identity.lines import Stretch, one_line
from segmentation.identity.matching import Asked, Matcher
from segmentation.identity.pairs import Identity, find_pairs


def one(number, name, domain="", country="", **more):
    domains = (domain,) if domain else ()
    return Identity(number, (name, *more.pop("others", ())), domains, country, more.pop("region", ""), **more)


def found(*identities, mails=()):
    return {(pair.first, pair.second): pair for pair in find_pairs(identities, mails)}


def codes(pair):
    return [code for code, _value in pair.reasons]


def test_a_domain_in_common_counts_more_when_the_names_are_alike():
    alike = found(one(1, "Acme", "acme.com"), one(2, "Acme Europe", "shop.acme.com"))[1, 2]
    other = found(one(1, "Walt Disney", "disney.com"), one(2, "Twenty-First Century Fox", "disney.com"))[1, 2]
    assert (codes(alike), codes(other)) == (["same_domain"], ["same_domain"])
    assert (alike.score, other.score) == (0.9, 0.55)


def test_free_mail_and_empty_keys_match_nobody():
    assert found(one(1, "n/a", "gmail.com"), one(2, "-", "gmail.com"), one(3, "", ""), one(4, "", "")) == {}
    assert (
        found(one(1, "Acme"), one(2, "Globex"), mails=[(1, "x@gmail.com"), (2, "y@gmail.com"), (1, ""), (2, "")]) == {}
    )


def test_one_name_in_two_countries_with_two_domains_is_not_enough():
    same = one(1, "Acme GmbH", "acme.de", "germany")
    assert found(same, one(2, "ACME AG", "", "germany"))[1, 2].score == 0.85
    assert (1, 2) not in found(same, one(2, "Acme Ltd", "acme.in", "india"))


def test_similar_names_count_within_a_country_or_region_only():
    mine = one(1, "Holmward Building Materials", country="us")
    assert codes(found(mine, one(2, "Holmwerd Building Materials", country="us"))[1, 2]) == ["similar_name"]
    assert found(mine, one(2, "Holmwerd Building Materials", country="de")) == {}
    ordered = found(one(1, "Systems Nordwind", region="emea"), one(2, "Nordwind Systems", region="emea"))
    assert codes(ordered[1, 2]) == ["similar_name"]


def test_names_that_differ_in_a_number_are_not_similar():
    assert found(one(1, "Hotel Astoria 12", country="us"), one(2, "Hotel Astoria 13", country="us")) == {}


def test_chinese_names_that_differ_are_told_apart_however_alike_they_sound():
    mine = one(1, "深圳龙源新材料", country="cn", others=("Longyuan (Shenzhen) Co.",))
    assert found(mine, one(2, "深圳通元软件", country="cn", others=("Tongyuan (Shenzhen) Co.",))) == {}


def test_people_who_write_from_one_domain_or_are_in_both_are_a_reason():
    acme, other = one(1, "Acme", "acme.com"), one(2, "Umbrella")
    assert codes(found(acme, other, mails=[(2, "ada@acme.com")])[1, 2]) == ["mail_domain"]
    both = found(
        one(1, "Acme"), one(2, "Umbrella"), mails=[(1, "a@gmail.com"), (2, "A@gmail.com"), (1, "b@x.de"), (2, "b@x.de")]
    )
    assert (sorted(codes(both[1, 2])), both[1, 2].score) == (["mail_domain", "shared_people"], 0.8)


def test_a_subsidiary_is_no_duplicate_of_its_parent_and_siblings_are_less_likely():
    parent, child = one(1, "Acme", "acme.com"), one(2, "Acme", "acme.com", parent=1)
    assert found(parent, child) == {}
    siblings = found(one(2, "Acme", "acme.com", parent=1), one(3, "Acme", "acme.com", parent=1))
    assert siblings[2, 3].score == 0.59


def test_a_domain_of_very_many_pairs_each_with_the_oldest_only():
    assert len(found(*(one(number, f"Acme {number}", "acme.com") for number in range(1, 101)))) == 99


def test_the_fingerprint_changes_with_the_reasons_and_with_nothing_else():
    first = found(one(1, "Acme", "acme.com"), one(2, "Acme", "acme.com", "de"))[1, 2]
    again = found(one(1, "Acme", "acme.com", "us"), one(2, "Acme", "acme.com"))[1, 2]
    other = found(one(1, "Acme", "acme.com"), one(2, "Acme", "acme.de"))[1, 2]
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_the_search_finds_what_comparing_all_names_finds():
    """Against the plain way: every pair, letter by letter."""
    rng = random.Random(5)
    words = ["nordwind", "systems", "alpha", "steel", "software", "berlin", "water", "cloud"]
    names = []
    for _ in range(150):
        name = " ".join(rng.sample(words, 3))
        names.append(name)
        place = rng.randrange(len(name))
        names.append(name[:place] + rng.choice("xyz") + name[place + 1 :])
    from rapidfuzz import fuzz

    from segmentation.identity.names import normalised

    identities = [one(number, name, country="de") for number, name in enumerate(names)]
    expected = set()
    for low in range(len(names)):
        for high in range(low + 1, len(names)):
            a, b = normalised(names[low]), normalised(names[high])
            texts = [" ".join(sorted(core.split())) for core in (a.core, b.core)]
            if a.full != b.full and max(fuzz.ratio(a.core, b.core), fuzz.ratio(*texts)) >= 88:
                expected.add((low, high))
    got = {key for key, pair in found(*identities).items() if "similar_name" in codes(pair)}
    assert got <= expected
    assert len(expected) > 100
    assert len(expected - got) <= 0.02 * len(expected)


# Matching ------------------------------------------------------------------------------------------------------------

KNOWN = [
    one(1, "Acme GmbH", "acme.de", "germany"),
    one(2, "Acme Inc.", "acme.com", "united states"),
    one(3, "Globex", "globex.com"),
    one(4, "Globex Asia", "globex.com"),
    one(5, "腾讯科技（深圳）有限公司", "tencent.com", "china"),
]


@pytest.mark.parametrize(
    ("asked", "status", "reason", "accounts"),
    [
        (Asked(domain="https://www.acme.de/"), "match", "domain", (1,)),
        (Asked(name="ACME AG", domain="acme.de"), "match", "domain_and_name", (1,)),
        (Asked(name="acme"), "ambiguous", "several", (1, 2)),
        (Asked(name="acme", country="Germany"), "match", "name", (1,)),
        (Asked(name="acme", country="India"), "ambiguous", "other_country", (1, 2)),
        (Asked(email="x@globex.com"), "ambiguous", "several", (3, 4)),
        (Asked(name="Globex Corp.", email="x@globex.com"), "match", "domain_and_name", (3,)),
        (Asked(name="Globex", domain="acme.de"), "ambiguous", "contradiction", (1, 3)),
        (Asked(name="騰訊科技(深圳)"), "match", "name", (5,)),
        (Asked(name="Globx Asia"), "ambiguous", "similar", (4,)),
        (Asked(name="Umbrella"), "none", "not_found", ()),
        (Asked(email="x@qq.com"), "none", "free_mail", ()),
        (Asked(name="n/a", domain="-"), "none", "nothing_given", ()),
    ],
)
def test_an_account_is_meant_or_it_is_said_why_not(asked, status, reason, accounts):
    (answer,) = Matcher(KNOWN).match([asked])
    assert (answer.status, answer.reason, answer.accounts) == (status, reason, accounts)


# Histories made one --------------------------------------------------------------------------------------------------


def day(number):
    return dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=number)


@pytest.mark.parametrize("seed", range(30))
def test_at_every_instant_the_highest_state_counts_and_none_is_lost(seed):
    rng = random.Random(seed)
    stretches = []
    for _ in range(rng.randint(1, 5)):
        begin = rng.randint(0, 20)
        stretches.append(Stretch(day(begin), rng.choice([None, day(begin + rng.randint(1, 9))]), rng.randint(0, 2)))
    line = one_line(stretches)
    for number in range(60):
        instant = day(number / 2)
        holding = [i for i, s in enumerate(stretches) if s.start <= instant and (s.end is None or instant < s.end)]
        shown = [i for i, start, end in line if start <= instant and (end is None or instant < end)]
        best = max(holding, key=lambda i: (stretches[i].rank, -i), default=None)
        assert shown == ([] if best is None else [best])
    assert all(one[2] is not None and one[2] <= other[1] for one, other in pairwise(line))

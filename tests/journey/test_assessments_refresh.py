"""Assessing only what may have changed gives what assessing everybody gives, whatever changed, and however."""

import datetime as dt
from types import SimpleNamespace

import pytest

from journey.selectors.assessments import is_assessment_due
from journey.selectors.checklists import evaluate_fit, reasons_of
from journey.services.assessments import assess
from journey.services.replay import replay
from segmentation.models import Account, FactTouch, IcpAssessment, IcpItem, IcpRun
from segmentation.services.profiles import (
    create_profile,
    create_profile_draft,
    publish_profile_version,
    record_answers,
)
from segmentation.services.touches import prune_touches
from tests.journey import worlds

pytestmark = pytest.mark.django_db(transaction=True)


def rule(kind, negate=False, **params):
    return {"kind": "rule", "rule": {"criteria": [{"kind": kind, "params": params, "negate": negate}]}}


ITEMS = {
    "engaged": rule("engaged_minutes", minutes=5, window_days=30),
    "tier": rule("field", field="tier", operator="is", value=1),
    "open": rule("opportunity_open"),
    "not-out": rule("flag", negate=True, flag="disqualified") | {"knock_out": True},
    "aware": rule("stage", journey="standard", stage="aware"),
    "need": {"kind": "yes_no"},
    "values": {"kind": "scale"},
}


@pytest.fixture
def version():
    worlds.install()
    draft = create_profile(key="ours", name="Ours")
    for order, (key, fields) in enumerate(ITEMS.items()):
        IcpItem.objects.create(version=draft, key=key, text=key, order=order, **fields)
    return publish_profile_version(version=draft)


@pytest.fixture
def clock(monkeypatch):
    """The time of assessments: a day of the world, which tests set."""
    hands = SimpleNamespace(day=150.0)
    now = SimpleNamespace(now=lambda: worlds.day(hands.day))
    monkeypatch.setattr("journey.services.assessments.timezone", now)
    return hands


def stored(version):
    rows = IcpAssessment.objects.filter(version=version, ended_at=None).order_by("account_id")
    return [(row.account_id, row.reasons, row.due_at) for row in rows]


def computed(version, at):
    [found] = evaluate_fit([version], at)
    never = 2**63 - 1
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return [
        (
            int(pk),
            reasons_of(found.checklist, found.points[:, i], found.fits.knocked_out[:, i]),
            None if found.due[i] == never else epoch + dt.timedelta(microseconds=int(found.due[i])),
        )
        for i, pk in enumerate(found.ids)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_incremental_equals_everybody_whatever_changes(version, clock, seed):
    world = worlds.RandomWorld(seed)
    r = world.random
    for _step in range(60):
        world.step()
    replay()
    [first] = assess(version=version)
    assert (first.mode, first.looked_at) == ("full", 12)
    looked_at = changed = 0
    for _round in range(10):
        for _step in range(r.randrange(4)):
            if r.random() < 0.3:
                key, value = r.choice([("need", True), ("need", None), ("values", 2), ("values", 5)])
                record_answers(version=version, item_key=key, accounts=r.sample(world.accounts, 2), value=value)
            else:
                world.step()
        if r.random() < 0.6:  # else the stages are those of before, and what is learnt of them comes later
            replay()
        clock.day += r.choice([0, 0.5, 3, 11])
        [result] = assess(version=version)
        assert result.mode == "changed"
        assert stored(version) == computed(version, worlds.day(clock.day))
        looked_at += result.looked_at
        changed += result.changed
    assert 0 < changed <= looked_at < 10 * 12
    [again] = assess(version=version, full=True)
    assert again.changed == 0


def test_only_those_are_looked_at_for_whom_something_may_have_changed(version, clock):
    acme, globex, initech = (worlds.account() for _n in range(3))
    worlds.activity(acme, "webinar", 149)
    replay()
    assess(version=version)

    def looked_at():
        before = is_assessment_due(version, worlds.day(clock.day))
        [result] = assess(version=version)
        assert before == (result.looked_at > 0)
        return result.looked_at

    assert looked_at() == 0
    record_answers(version=version, item_key="need", accounts=[globex], value=True)
    assert looked_at() == 1
    Account.objects.filter(pk=initech.pk).update(tier=1)
    assert looked_at() == 1
    clock.day = 178.9  # the webinar leaves the window of 30 days on day 179
    assert looked_at() == 0
    clock.day = 179
    assert looked_at() == 1
    assert "engaged" in IcpAssessment.objects.get(version=version, account=acme, ended_at=None).reasons["unmet"]
    worlds.account()
    assert looked_at() == 1
    Account.objects.filter(pk=initech.pk).delete()
    assess(version=version)
    assert IcpAssessment.objects.filter(version=version, ended_at=None).count() == 3


def test_everybody_is_looked_at_after_a_new_version_a_rebuilt_journey_or_a_setting_changed(version, clock):
    worlds.account()
    replay()
    assess(version=version)
    replay(full=True)
    assert assess(version=version)[0].mode == "full"
    FactTouch.objects.create()
    assert assess(version=version)[0].mode == "full"
    assert assess(version=version)[0].mode == "changed"
    replay()  # the journey has learnt of it only now
    assert assess(version=version)[0].mode == "full"
    assert assess(version=version)[0].mode == "changed"
    newer = publish_profile_version(version=create_profile_draft(profile=version.profile))
    assert is_assessment_due(newer, worlds.day(clock.day))
    [result] = assess(profile=version.profile)
    assert (result.version, result.mode) == (newer, "full")
    assert list(IcpRun.objects.values_list("version", flat=True)) == [newer.pk]


def test_a_run_that_was_left_behind_by_the_change_feed_looks_at_everybody(version, clock):
    acme = worlds.account()
    replay()
    assess(version=version)
    Account.objects.filter(pk=acme.pk).update(tier=1)
    replay()
    assert FactTouch.objects.exists(), "the change feed forgot what assessments have not seen"
    assess(version=version)
    Account.objects.filter(pk=acme.pk).update(tier=2)
    prune_touches([worlds.snapshot_of_all()])
    assert not FactTouch.objects.exists()
    [result] = assess(version=version)
    assert (result.mode, result.changed) == ("full", 1)

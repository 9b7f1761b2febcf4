"""Server time and queries of the pages of target account lists and profiles, at the size the product promises.

    VAR_DIR=… .venv/bin/python -m benchmarks.list_pages [--accounts N] [--lists N] [--memberships N]

Needs an installation without accounts, which it fills: every list has members, former members and proposals, every
account has activities, a stage and a fit. Then it opens each page several times, as a marketer or as a rep of one team,
and prints the median of the server's time and the number of queries. Exits with 1 when a page takes more than 300 ms or
more than 15 queries.
"""

import argparse
import datetime as dt
import os
import statistics
import sys
import time
from typing import Any

MOST_MS, MOST_QUERIES = 300, 15
PAGES = {  # those of a marketer; {…} is replaced by the primary key of one
    "lists": "segmentation_targetlist_changelist",
    "a list": "segmentation_targetlist_change:{list}",
    "upkeep": "segmentation_targetlist_upkeep:{list}",
    "upkeep by month": "segmentation_targetlist_upkeep_months:{list}",
    "memberships": "segmentation_listmembership_changelist",
    "memberships of a list": "segmentation_listmembership_changelist?target_list__id__exact={list}&now=members",
    "review queue": "segmentation_listmembership_review",
    "requests to disqualify": "segmentation_disqualificationrequest_changelist?decision=open",
    "suggestions": "journey_suggestion_changelist",
    "quotas": "segmentation_salesquota_changelist",
    "sales teams": "segmentation_salesteam_changelist",
    "reasons": "segmentation_membershipreason_changelist",
    "profiles": "segmentation_icpprofile_changelist",
    "a profile": "segmentation_icpprofile_change:{profile}",
    "profile editor": "segmentation_icpversion_change:{version}",
    "answers": "segmentation_icpanswer_changelist",
    "assessments": "segmentation_icpassessment_changelist",
    "assessment of an account": "segmentation_account_fit:{account}",
    "accounts": "segmentation_account_changelist",
    "segments": "segmentation_segment_changelist",
    "markets": "journey_marketlevel_changelist",
    "accounts of a list": "segmentation_account_changelist?on_list={list_key}",
}
PAGES_OF_A_REP = {
    "my accounts": "segmentation_listmembership_mine",
    "propose": "segmentation_listmembership_propose?words={words}",
    "own memberships": "segmentation_listmembership_changelist",
    "own requests": "segmentation_disqualificationrequest_changelist",
    "own quotas": "segmentation_salesquota_changelist",
    "own accounts": "segmentation_account_changelist",
}


MORE_QUERIES = {"profile editor": 18}  # it offers everything a rule may name, each list read once
NO_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "SET TRANSACTION")


def number_of_queries(captured: Any) -> int:
    """How many statements asked for something, without those that only begin and end transactions."""
    return sum(not query["sql"].startswith(NO_QUERIES) for query in captured.captured_queries)


def address(where: str, **rows: Any) -> str:
    """The address of a page of `PAGES`, of these rows."""
    from django.urls import reverse

    page, _mark, query = where.format(**rows).partition("?")
    page, _colon, key = page.partition(":")
    return reverse(f"admin:{page}", args=[key] if key else []) + (f"?{query}" if query else "")


FILL = """
INSERT INTO segmentation_listmembership (target_list_id, account_id, state, tier, start_at, end_at, reason_id, note,
    team_id)
SELECT l.ids[1 + (a.id + r.n * 7) %% %(lists)s], a.id,
    CASE WHEN r.n %% 3 = 1 THEN 'active' WHEN r.n %% 3 = 2 AND a.id %% 50 = 0 THEN 'proposed'
         WHEN r.n %% 3 = 2 THEN 'removed' ELSE 'recycling' END,
    NULL, now() - interval '600 days' + (a.id %% 500) * interval '1 day',
    CASE WHEN r.n %% 3 = 0 THEN now() - interval '20 days' + (a.id %% 10) * interval '1 day' END,
    (SELECT min(id) FROM segmentation_membershipreason), 'note', CASE WHEN r.n %% 3 = 2 THEN a.team_id END
FROM segmentation_account a, generate_series(1, %(each)s) AS r(n),
    (SELECT array_agg(id) AS ids FROM segmentation_targetlist) l;
INSERT INTO segmentation_disqualificationrequest (target_list_id, account_id, note, asked_at, decision, decision_note)
SELECT target_list_id, account_id, 'no need', now(), 'open', '' FROM segmentation_listmembership
WHERE state = 'active' AND account_id %% 500 = 0;
INSERT INTO scoring_activity (account_id, type_id, occurred_at, seconds, outcome, campaign, content, url, source_key)
SELECT a.id, (SELECT min(id) FROM scoring_activitytype), now() - (a.id %% 400 + r.n * 30) * interval '1 day', 600,
    '', '', '', '', 'pages' || a.id || '-' || r.n
FROM segmentation_account a, generate_series(1, 5) AS r(n);
"""


def fill(accounts: int, lists: int, memberships: int) -> None:
    """Fill an installation that has no accounts."""
    from django.db import connection, transaction

    from journey.services.assessments import assess
    from journey.services.replay import replay
    from segmentation.models import Account

    if Account.objects.exists():
        return
    with transaction.atomic():
        fill_tables(accounts, lists, memberships)
    replay()
    assess()
    with connection.cursor() as cursor:  # what an installation's own server does after so many rows
        cursor.execute("VACUUM ANALYZE")


def fill_tables(accounts: int, lists: int, memberships: int) -> None:
    """Accounts, lists with memberships, teams with quotas, activities; all or nothing."""
    from django.db import connection
    from django.utils import timezone

    from scoring.models import ActivityType
    from segmentation.models import Account, SalesQuota, SalesTeam, TargetList

    ActivityType.objects.get_or_create(key="webinar", defaults={"name": "Webinar", "side": "marketing"})
    for n in range(20):
        team = SalesTeam.objects.create(key=f"team-{n}", name=f"Team {n}")
        SalesQuota.objects.create(team=team, places=10_000)
    for n in range(lists):
        TargetList.objects.create(key=f"list-{n}", name=f"List {n}", tier=1 + n % 3)
    teams = list(SalesTeam.objects.all())
    made = timezone.now() - dt.timedelta(days=700)
    Account.objects.bulk_create(
        (
            Account(
                name=f"Company {n}",
                domain=f"c{n}.example",
                external_id=f"P{n}",
                industry=f"Industry {n % 20}",
                region=f"Region {n % 5}",
                tier=1 + n % 3,
                employees=n % 5000,
                owner=f"owner{n % 100}",
                team=teams[n % len(teams)],
                created_in_source_at=made,
            )
            for n in range(accounts)
        ),
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        numbers = {"lists": lists, "each": max(memberships // accounts, 1)}
        cursor.execute(FILL, numbers)


def clients() -> list[tuple[Any, dict[str, str]]]:
    """A marketer and a rep of one team, signed in, with the pages of each."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.test import Client

    from segmentation.models import SalesTeam
    from segmentation.services.roles import MARKETER, REP

    found = []
    for name, role, pages in (("pages", MARKETER, PAGES), ("pages-rep", REP, PAGES_OF_A_REP)):
        user, _made = get_user_model().objects.get_or_create(username=name, defaults={"is_staff": True})
        user.groups.set(Group.objects.filter(name=role))
        user.sales_teams.set(SalesTeam.objects.order_by("pk")[: role == REP])
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        found.append((client, pages))
    return found


def measure(rounds: int) -> list[dict[str, Any]]:
    """Open every page: the median time in milliseconds and the number of queries of each."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from segmentation.models import Account, IcpProfile, IcpVersion, TargetList

    first = TargetList.objects.order_by("pk")[0]
    chosen = {
        "list": first.pk,
        "list_key": first.key,
        "account": Account.objects.order_by("pk")[0].pk,
        "profile": IcpProfile.objects.order_by("pk")[0].pk,
        "version": IcpVersion.objects.order_by("pk")[0].pk,
        "words": "Company 1",
    }
    rows = []
    for client, pages in clients():
        for name, where in pages.items():
            url, took = address(where, **chosen), []
            for _round in range(rounds + 1):
                with CaptureQueriesContext(connection) as captured:
                    begin = time.perf_counter()
                    answer = client.get(url)
                    took.append(1000 * (time.perf_counter() - begin))
                if answer.status_code != 200:
                    raise RuntimeError(f"{url}: {answer.status_code}")
            slowest = max(captured.captured_queries, key=lambda query: float(query["time"]))
            rows.append(
                {
                    "page": name,
                    "ms": round(statistics.median(took[1:])),  # the first one fills caches of templates
                    "queries": number_of_queries(captured),
                    "slowest": f"{slowest['time']} {slowest['sql'][:160]}",
                }
            )
    return rows


def main() -> int:
    """Fill, measure, print; 1 when a page is too slow or needs too many queries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--lists", type=int, default=20)
    parser.add_argument("--memberships", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--verbose", action="store_true", help="show the slowest query of each page")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(options.accounts, options.lists, options.memberships)
    rows = measure(options.rounds)
    bad = [row for row in rows if row["ms"] > MOST_MS or row["queries"] > MORE_QUERIES.get(row["page"], MOST_QUERIES)]
    for row in rows:
        print(f"{row['page']:<26}{row['ms']:>6} ms{row['queries']:>5} queries{'  too much' if row in bad else ''}")
        if options.verbose:
            print(f"    {row['slowest']}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

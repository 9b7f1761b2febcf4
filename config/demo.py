"""The steps of the demo: database, data, history, login. Each may be repeated and then changes nothing."""

import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.db import connection, transaction
from django.db.models import Count
from django.template.defaultfilters import floatformat
from django.utils.timezone import now
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from config import schedules
from config.secret import secret_from_file
from journey.demo.curated import assess_past
from journey.demo.decisions import decide_some
from journey.demo.goals import set_demo_goals
from journey.ready_made_audiences import install_audiences, install_plays
from journey.segment_examples import install_examples
from journey.services.preparation import prepare_engine
from segmentation.models import SalesTeam
from segmentation.services.plays import suggest_actions
from segmentation.services.roles import ANALYST, MARKETER, REP

JOURNEY = "extended"
LOGIN = "admin"


class Steps:
    """Announces each step and says how long it took."""

    def __init__(self, out: OutputWrapper, total: int) -> None:
        """Begin to count at one."""
        self.out, self.total, self.number = out, total, 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Run one step."""
        self.number += 1
        self.out.write(f"{self.number}/{self.total}  {title} ...")
        self.out.flush()
        begun = time.monotonic()
        yield
        took = _("done in %(seconds).1f s") % {"seconds": time.monotonic() - begun}
        self.out.write(f"     {took}")


# Those of the ready-made segments that the demo's campaigns address.
SEGMENTS = ("bought-a-not-b", "solution-visitors", "enterprise-prospects", "mid-market-customers")


def fill(steps: Steps, *, accounts: int | None, activities: int | None) -> None:
    """Bring the database up to date, load the demo data, rebuild the history of every published journey."""
    with steps.step(_("Starting the database")):
        connection.ensure_connection()
    with steps.step(_("Bringing the tables up to date")):
        call_command("migrate", interactive=False, verbosity=0)
        schedules.sync()
    with steps.step(_("Loading the demo data")):
        sizes = {"accounts": accounts, "activities": activities}
        call_command("load_demo", **{name: size for name, size in sizes.items() if size is not None})
    with steps.step(_("Preparing the engine (compiled once, about half a minute the first time)")):
        prepare_engine()
    with steps.step(_("Rebuilding the history of every account")):
        call_command("replay")
    with steps.step(_("Assessing every account by the ideal customer profile")):
        assess_past()
        call_command("assess")
    with steps.step(_("Working out who is in which segment")):
        install_examples(build=False, active=SEGMENTS)
        install_audiences(build=False)
        install_plays(build=False, include_present=True)
        call_command("segment", verbosity=0)
        set_demo_goals(now())
        suggest_actions(now=now())
    with steps.step(_("Looking for accounts to suggest for the lists")):
        call_command("suggest", verbosity=0)
        decide_some()


def clear() -> None:
    """Drop everything in the database, and the files that were computed from it."""
    with transaction.atomic(), connection.cursor() as cursor:
        # A server at work holds locks: better a sentence than to wait for ever.
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    connection.close()
    shutil.rmtree(settings.FACTS_DIR, ignore_errors=True)


def funnel() -> dict[str, Any]:
    """Return the accounts per stage now, as ``manage.py stages --json`` says."""
    out = io.StringIO()
    call_command("stages", journey=JOURNEY, json=True, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def funnel_text(found: dict[str, Any]) -> str:
    """Return the funnel as a table with bars, for the terminal."""
    table = Table(title=_("Accounts per stage, %(date)s") % {"date": str(found["as_of"])[:10]}, title_justify="left")
    table.add_column(_("Stage"))
    table.add_column(_("Accounts"), justify="right")
    table.add_column(_("Share"), justify="right")
    table.add_column("")
    widest = max((stage["share"] for stage in found["stages"]), default=0) or 1
    for stage in found["stages"]:
        bar = "█" * round(30 * stage["share"] / widest)
        table.add_row(stage["name"], f"{stage['accounts']:,}", f"{floatformat(100 * stage['share'], 1)} %", bar)
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()


# The people of the demo beside its superuser: their role, and whether they are in a sales team.
PEOPLE = (("rep", REP, True), ("marketer", MARKETER, False), ("analyst", ANALYST, False))


def ensure_login() -> str:
    """Make the users of the demo unless they are there; return what to tell the person who wants to log in."""
    boss, password, _made = _ensure_user(LOGIN, "demo_password", superuser=True)
    texts = [_login_text(boss, password)]
    for name, role, in_team in PEOPLE:
        user, password, made = _ensure_user(name, f"demo_password_{name}")
        if made:
            user.groups.add(Group.objects.get(name=role))
            team = SalesTeam.objects.annotate(n=Count("accounts")).order_by("-n", "name").first()
            if in_team and team:
                team.members.add(user)
        team_name = ", ".join(map(str, user.sales_teams.all()))
        what = f"{role}: {team_name}" if team_name else role
        texts.append(f"{_login_text(user, password)} ({what})")
    return "\n".join(texts)


def _ensure_user(name: str, file: str, *, superuser: bool = False) -> tuple[User, str, bool]:
    """Return a user, the password if it is the one kept in the file, and whether the user was made."""
    path, users = Path(settings.VAR_DIR) / file, User.objects
    user = users.filter(username=name).first()
    if user is None:
        password = secret_from_file(path, size=9)
        make = users.create_superuser if superuser else users.create_user
        return make(username=name, password=password, is_staff=True), password, True
    known = secret_from_file(path) if path.exists() else ""
    return user, known if known and user.check_password(known) else "", False


def _login_text(user: User, password: str) -> str:
    if not password:
        return _("Log in as %(user)s with the password you gave it.") % {"user": user.username}
    return _("Log in as %(user)s with the password %(password)s") % {"user": user.username, "password": password}

"""Sales teams as rows name them."""

from collections.abc import Sequence

from django.utils.text import slugify

from segmentation.imports.faults import Fault, Lookup
from segmentation.imports.staging import Run
from segmentation.models import SalesTeam


class TeamLookup(Lookup):
    """Finds teams by key or name, whatever the case, and makes those nobody knows yet."""

    def __init__(self, run: Run):
        self.run = run
        self.known = {
            name.casefold(): pk
            for pk, key, name in SalesTeam.objects.values_list("id", "key", "name")
            for name in (key, name)
        }

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        return [self.known.get(name.casefold()) or self._make(name[:120]) for name in names]

    def _make(self, name: str) -> int:
        self.run.end_copy()
        base = slugify(name, allow_unicode=False)[:50] or "team"
        taken = set(SalesTeam.objects.filter(key__startswith=base).values_list("key", flat=True))
        key = next(
            key for key in (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))) if key not in taken
        )
        team = SalesTeam.objects.create(key=key, name=name)
        self.known[name.casefold()] = team.pk
        self.run.report.created.setdefault("teams", []).append(name)
        return team.pk

"""Accounts that may be one company, and a file of names against all accounts."""

import csv
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.item import Item
from segmentation.imports.matching import match_file
from segmentation.models import Account, DuplicateCandidate
from segmentation.services.duplicates import find_duplicates

PLANTED = 0.05  # share of the accounts that get a second one
SYSTEM = "bench-doubles"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class FindDuplicates(Item):
    """Compare all accounts with one another, from database to database; every twentieth was entered twice."""

    name = "duplicates"

    def prepare(self) -> None:
        """Plant doubles: half with the same domain, half with a letter of the name mistyped and no domain."""
        rng = random.Random(1)
        known = list(Account.objects.order_by("pk").only("pk", "name", "domain", "country", "region"))
        self.planted: set[tuple[int, int]] = set()
        self.typed: set[tuple[int, int]] = set()
        for number, account in enumerate(rng.sample(known, int(len(known) * PLANTED))):
            name, domain = f"{account.name} Holding", account.domain
            by_name = number % 2 == 1 or not domain
            if by_name:
                place = rng.randrange(1, len(account.name))
                name, domain = account.name[:place] + rng.choice(LETTERS) + account.name[place + 1 :], ""
            double = Account.objects.create(
                source_system=SYSTEM, name=name, domain=domain, country=account.country, region=account.region
            )
            (self.typed if by_name else self.planted).add((account.pk, double.pk))

    def run(self) -> Any:
        return find_duplicates()

    def check(self, result: Any) -> bool:
        """Every double with the domain is found, and of the mistyped ones those that are as alike as they must be."""
        found = set(DuplicateCandidate.objects.values_list("first_id", "second_id"))
        return bool(self.planted <= found and len(self.typed & found) >= 0.5 * len(self.typed))

    def clean(self) -> None:
        DuplicateCandidate.objects.all().delete()
        Account.objects.filter(source_system=SYSTEM).delete()

    def rows(self) -> int | None:
        return Account.objects.count()


class MatchFile(Item):
    """A CSV file with the name of every account, each in capitals and with another legal form, against all accounts."""

    name = "match_file"

    def prepare(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "companies.csv"
        with self.file.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "domain", "country"])
            for name, domain, country in Account.objects.order_by("pk").values_list("name", "domain", "country"):
                writer.writerow([f"{name.upper()} Inc.", domain, country])

    def run(self) -> Any:
        return match_file(self.file)

    def check(self, result: Any) -> bool:
        """Hardly a row is left without an account."""
        counts = result["counts"]
        return bool(counts["none"] == 0 and counts["match"] >= 0.9 * sum(counts.values()))

    def clean(self) -> None:
        self.folder.cleanup()

    def rows(self) -> int | None:
        return Account.objects.count()

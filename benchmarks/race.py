"""Proposals of many people at once over HTTP, onto quotas with too few places for all."""

import sys
from contextlib import ExitStack

from benchmarks.item import Item
from benchmarks.quota_race import Outcome, make_world, race, remove_world, server, wake


class ProposeRace(Item):
    """32 writers over HTTP on 20 quotas of 50 places, with half as many accounts again as there are places."""

    name = "propose_race"
    quotas, places, accounts, writers = 20, 50, 75, 32

    def prepare(self) -> None:
        self.stack = ExitStack()
        try:
            remove_world()
            self.world = make_world(quotas=self.quotas, places=self.places, accounts=self.accounts)
            self.port, _process = self.stack.enter_context(server())
            wake(self.world, self.port, self.writers)
        except BaseException:
            self.clean()
            raise

    def run(self) -> Outcome:
        return race(self.world, self.port, writers=self.writers)

    def check(self, result: Outcome) -> bool:
        """Every quota is full and not one place more is taken; everybody got an answer that fits."""
        taken, refused = result.answers[200, ""], result.answers[409, "quota_exceeded"]
        for text in result.strange[:5]:
            print(f"  {self.name}: {text}", file=sys.stderr)
        return (
            self.world.held() == [self.places] * self.quotas
            and taken == self.quotas * self.places
            and taken + refused == self.world.tries
            and not result.strange
        )

    def clean(self) -> None:
        self.stack.close()
        remove_world()

    def rows(self) -> int:
        return self.world.tries

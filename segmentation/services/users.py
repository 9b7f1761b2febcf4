"""Who did something: from the user of a request to the one that is stored."""

from typing import cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

# What services take as `user`: `request.user` as it comes, or None when no person is behind the change.
Actor = AbstractBaseUser | AnonymousUser | None


def author(user: Actor) -> User | None:
    """Return the user to store as the one who did it; None for nobody and for somebody not signed in."""
    return cast(User, user) if user is not None and user.pk else None

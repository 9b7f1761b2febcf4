"""The rights of people are Django's, read at once."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test.utils import CaptureQueriesContext

from config.rights import RightsBackend


def rights(codename: str) -> Permission:
    return Permission.objects.get(codename=codename, content_type__app_label="segmentation")


@pytest.fixture
def person(db: None) -> User:
    """Somebody with a right of their own and those of two groups, of which one is also theirs."""
    person = User.objects.create_user("somebody")
    person.user_permissions.add(rights("view_account"))
    for names in (("view_account", "change_account"), ("view_contact",)):
        group = Group.objects.create(name="-".join(names))
        group.permissions.set(map(rights, names))
        person.groups.add(group)
    other = Group.objects.create(name="of others")
    other.permissions.add(rights("delete_account"))
    return person


@pytest.mark.parametrize("change", [{}, {"is_active": False}, {"is_superuser": True}])
def test_a_person_has_the_rights_django_says(person: User, change: dict[str, bool]) -> None:
    User.objects.filter(pk=person.pk).update(**change)
    found = RightsBackend().get_all_permissions(User.objects.get(pk=person.pk))
    assert found == ModelBackend().get_all_permissions(User.objects.get(pk=person.pk))
    assert ("segmentation.change_account" in found) == (change != {"is_active": False})
    assert ("segmentation.delete_account" in found) == bool(change.get("is_superuser"))


def test_nobody_has_no_rights() -> None:
    assert RightsBackend().get_all_permissions(AnonymousUser()) == set()  # type: ignore[arg-type]


def test_rights_of_an_object_are_none(person: User) -> None:
    assert RightsBackend().get_all_permissions(person, person) == set()


def test_one_query_answers_every_question(person: User, django_assert_num_queries: CaptureQueriesContext) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert person.has_perm("segmentation.view_contact")
        assert not person.has_perm("segmentation.delete_account")
        assert person.has_module_perms("segmentation")

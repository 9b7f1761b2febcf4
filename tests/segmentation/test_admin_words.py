"""What the admin says where there is nothing, or where somebody may not go."""

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_an_empty_list_says_where_its_rows_come_from(admin_client):
    page = admin_client.get(reverse("admin:segmentation_importmapping_changelist")).content.decode()
    assert "No import mappings yet" in page
    assert "while you import a file" in page
    assert "Reset filters" not in page


def test_a_search_without_result_offers_to_take_it_back(admin_client):
    page = admin_client.get(reverse("admin:segmentation_account_changelist"), {"q": "nobody"}).content.decode()
    assert "Nothing fits" in page
    assert "Reset filters" in page


def test_what_is_forbidden_or_missing_says_so_and_leads_back(admin_client, client):
    for page, status, text in (
        (admin_client.get(reverse("admin:segmentation_job_add")), 403, "You may not do this"),
        (client.get("/nowhere"), 404, "There is nothing at this address"),
    ):
        assert page.status_code == status
        assert text in page.content.decode()
        assert 'href="/admin/"' in page.content.decode()

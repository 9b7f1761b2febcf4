"""Importing a file in the admin, from the upload to the list of bad rows."""

import os
import time

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from scoring.models import Activity
from segmentation.models import Account, ImportMapping, ImportRun, Job
from segmentation.services import uploads
from segmentation.services.jobs import run_job

pytestmark = pytest.mark.django_db

ADD = "/admin/segmentation/importrun/add/"
TEXT = "Nr,Firma,Employees,Extra\n1,Acme,12,x\n2,北京科技,many,\n3,<b>Bold</b>,7,\n"


def preview_url(run):
    return reverse("admin:segmentation_importrun_preview", args=[run.pk])


def upload(client, content=TEXT, name="list.csv", **fields):
    file = SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())
    return client.post(ADD, {"file": file, "target": "accounts", **fields})


def choose(client, run, action, follow=False, **fields):
    columns = {"field-external_id": "Nr", "field-name": "Firma", "field-employees": "Employees"}
    return client.post(preview_url(run), {**columns, **fields, "action": action}, follow=follow)


@pytest.fixture
def clerk(client):
    """Somebody who may import accounts and nothing else."""
    user = User.objects.create_user("clerk", is_staff=True)
    rights = ("add_importrun", "view_importrun", "add_account", "change_account")
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    return client


def test_a_file_goes_from_upload_over_preview_to_import(admin_client, admin_user):
    response = upload(admin_client)
    run = ImportRun.objects.get()
    assert response.url == preview_url(run)
    assert (run.state, run.file_name, run.requested_by) == ("preview", "list.csv", admin_user)
    assert run.report["fault"]["code"] == "missing_column"  # the headings alone do not say which is the name

    choose(admin_client, run, "check")
    run.refresh_from_db()
    assert (run.state, run.report["inserted"], run.report["bad"], run.report["stored"]) == ("preview", 2, 1, False)
    assert not Account.objects.exists()
    page = admin_client.get(preview_url(run)).content.decode()
    assert "“many” is no number." in page
    assert "北京科技" in page
    assert "UTF-8" in page
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page
    assert "<b>Bold</b>" not in page

    response = choose(admin_client, run, "import")
    assert response.url == reverse("admin:segmentation_importrun_change", args=[run.pk])
    assert set(Account.objects.values_list("external_id", "name", "employees")) == {
        ("1", "Acme", 12),
        ("3", "<b>Bold</b>", 7),
    }
    run.refresh_from_db()
    assert (run.state, run.upload) == ("partial", "")
    assert "1 bad rows" in admin_client.get(response.url).content.decode()
    assert [path.name for path in uploads.uploads_folder().iterdir()] == [f"bad-rows-{run.pk}.csv"]


def test_all_bad_rows_can_be_downloaded(admin_client):
    upload(admin_client)
    run = ImportRun.objects.get()
    choose(admin_client, run, "import")
    response = admin_client.get(reverse("admin:segmentation_importrun_bad_rows", args=[run.pk]))
    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "line,field,value,code,reason"
    assert lines[1].startswith("3,employees,many,not_a_number,")
    assert len(lines) == 2


def test_the_columns_found_by_their_headings_are_chosen(admin_client):
    upload(admin_client, "external_id,公司名称,x\n1,Acme,\n")
    run = ImportRun.objects.get()
    assert run.report["inserted"] == 1
    form = admin_client.get(preview_url(run)).context["form"]
    assert (form["field-external_id"].value(), form["field-name"].value()) == ("external_id", "公司名称")


def test_the_mapping_is_kept_and_used_for_the_next_file(admin_client):
    upload(admin_client)
    choose(
        admin_client,
        ImportRun.objects.get(),
        "import",
        save_as="Our ERP",
        source_system="erp",
        time_zone="Asia/Shanghai",
    )
    kept = ImportMapping.objects.get()
    assert (kept.key, kept.name, kept.target) == ("our-erp", "Our ERP", "accounts")
    assert kept.spec["columns"] == {"external_id": "Nr", "name": "Firma", "employees": "Employees"}
    assert (kept.spec["source_system"], kept.spec["time_zone"]) == ("erp", "Asia/Shanghai")
    upload(admin_client, "Firma,Nr,Employees\nBeta,9,5\n", mapping="our-erp")
    run = ImportRun.objects.latest("pk")
    assert (run.report["inserted"], run.report["bad"]) == (1, 0)


def test_what_the_page_does_not_show_of_a_mapping_stays(admin_client):
    columns = {
        "external_id": "Nr",
        "name": {"column": "Firma", "values": {"Acme": "Acme AG"}},
        "industry": {"constant": "retail"},
    }
    ImportMapping.objects.create(key="m", name="M", target="accounts", spec={"columns": columns, "ignore": ["Extra"]})
    upload(admin_client, mapping="m")
    run = ImportRun.objects.get()
    choose(admin_client, run, "import")
    assert set(Account.objects.values_list("name", "industry", "employees")) == {
        ("Acme AG", "retail", 12),
        ("<b>Bold</b>", "retail", 7),
    }


def test_a_mapping_for_something_else_is_refused_on_the_field(admin_client):
    ImportMapping.objects.create(key="c", name="C", target="contacts", spec={})
    response = upload(admin_client, mapping="c")
    assert "mapping" in response.context["form"].errors
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04...", b"%PDF-1.4"], ids=["empty", "excel", "pdf"])
def test_what_is_no_csv_is_refused_on_the_field_and_not_kept(admin_client, content):
    response = upload(admin_client, content)
    assert "file" in response.context["form"].errors
    assert not ImportRun.objects.exists()
    assert list(uploads.uploads_folder().iterdir()) == []


def test_a_wrong_time_zone_is_told_and_nothing_stored(admin_client):
    upload(admin_client)
    response = choose(admin_client, ImportRun.objects.get(), "import", follow=True, time_zone="Mars/Phobos")
    assert "Mars/Phobos" in response.content.decode()
    assert not Account.objects.exists()


def test_strict_stores_nothing_and_the_file_stays_to_be_tried_again(admin_client):
    upload(admin_client)
    run = ImportRun.objects.get()
    response = choose(admin_client, run, "import", strict="on")
    assert response.url == preview_url(run)
    assert not Account.objects.exists()
    assert admin_client.get(preview_url(run)).status_code == 200


def test_a_column_of_another_file_is_refused(admin_client):
    upload(admin_client)
    response = admin_client.post(preview_url(ImportRun.objects.get()), {"field-name": "Nonsense", "action": "import"})
    assert response.status_code == 200
    assert "field-name" in response.context["form"].errors
    assert not Account.objects.exists()


def test_file_names_lose_paths_and_control_characters(admin_client):
    upload(admin_client, name="..\\..\\evil\x07name.csv")
    assert ImportRun.objects.get().file_name == "evilname.csv"


def test_a_large_file_is_imported_as_a_job(admin_client, monkeypatch):
    monkeypatch.setattr(uploads, "LARGE_BYTES", 10)
    upload(admin_client)
    run = ImportRun.objects.get()
    response = choose(admin_client, run, "import")
    job = Job.objects.get()
    assert response.url == reverse("admin:segmentation_job_change", args=[job.pk])
    assert not Account.objects.exists()
    done = run_job(job.pk)
    assert (done.state, done.result["inserted"], done.result["bad"]) == ("done", 2, 1)
    assert Account.objects.count() == 2
    run.refresh_from_db()
    assert run.state == "partial"


def test_a_large_file_is_tried_out_only_when_asked(admin_client, monkeypatch):
    monkeypatch.setattr("segmentation.admin.imports.CHECKED_BYTES", 10)
    upload(admin_client)
    run = ImportRun.objects.get()
    assert run.report == {}
    assert admin_client.get(preview_url(run)).status_code == 200


def test_only_what_the_user_may_change_is_offered(clerk):
    form = clerk.get(ADD).context["form"]
    assert [key for key, _label in form.fields["target"].choices] == ["accounts"]
    response = upload(clerk, "id,contact,type,date\n1,,page_view,2024-01-01\n", target="activities")
    assert "target" in response.context["form"].errors
    assert upload(clerk).status_code == 302


def test_rights_are_asked_again_at_each_step(clerk, admin_client):
    upload(admin_client, "id,type,date\n1,page_view,2024-01-01\n", target="activities")
    run = ImportRun.objects.get()
    assert clerk.get(preview_url(run)).status_code == 403
    assert clerk.post(preview_url(run), {"action": "import"}).status_code == 403
    assert not Activity.objects.exists()
    upload(clerk)
    run = ImportRun.objects.latest("pk")
    User.objects.get(username="clerk").user_permissions.remove(Permission.objects.get(codename="change_account"))
    assert choose(clerk, run, "import").status_code == 403
    assert clerk.get(ADD).status_code == 403
    assert not Account.objects.exists()


def test_strangers_get_nothing(client):
    run = ImportRun.objects.create(target="accounts", file_name="x", state="preview")
    for url in (ADD, preview_url(run), reverse("admin:segmentation_importrun_bad_rows", args=[run.pk])):
        assert client.get(url).status_code == 302


def test_a_forged_request_is_refused(admin_user):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert upload(client).status_code == 403
    assert not ImportRun.objects.exists()


def test_an_upload_that_is_gone_is_said_so(admin_client):
    run = ImportRun.objects.create(target="accounts", file_name="x", state="preview", upload="gone.csv")
    response = admin_client.get(preview_url(run), follow=True)
    assert "is not there any more" in response.content.decode()


def test_uploads_nobody_imported_are_removed_after_a_week(admin_client):
    upload(admin_client)
    (path,) = (path for path in uploads.uploads_folder().iterdir() if len(path.stem) == 32)
    old = time.time() - uploads.KEPT_SECONDS - 60
    os.utime(path, (old, old))
    upload(admin_client)
    assert not path.exists()


def test_reports_of_any_shape_are_shown(admin_client):
    for report in ({}, {"fault": {"message": "M", "remedy": "R"}}, {"rows": 5}, {"anything": [1]}):
        run = ImportRun.objects.create(target="accounts", file_name="x", state="failed", report=report)
        assert admin_client.get(reverse("admin:segmentation_importrun_change", args=[run.pk])).status_code == 200
    assert admin_client.get("/admin/segmentation/importrun/").status_code == 200


def test_the_page_of_a_tried_import_names_bad_rows_and_no_errors_of_a_form(admin_client):
    upload(admin_client)
    run = ImportRun.objects.get()
    choose(admin_client, run, "check")
    page = admin_client.get(reverse("admin:segmentation_importrun_change", args=[run.pk])).content.decode()
    assert "“many” is no number." in page
    assert "nothing is stored yet" in page
    assert "Please correct the error" not in page


def test_what_was_made_on_the_way_is_said_in_words(admin_client):
    upload(admin_client, "id,type,occurred_at\n1,Round table,2026-01-02\n", target="activities")
    run = ImportRun.objects.get()
    fields = {"field-external_id": "id", "field-type": "type", "field-occurred_at": "occurred_at"}
    given = {**fields, "new_types": "sales", "action": "check"}
    page = admin_client.post(preview_url(run), given, follow=True).content.decode()
    assert "Activity types: Round table" in page
    assert "activity_types" not in page


def test_demo_data_shows_the_rows_of_its_tables(admin_client):
    rows = {"accounts": 2000, "opportunity_changes": 31, "account_events": 5}
    run = ImportRun.objects.create(target="accounts", file_name="demo", state="done", report={"rows": rows})
    page = admin_client.get(reverse("admin:segmentation_importrun_change", args=[run.pk]))
    assert page.context["counts"] == [("Accounts", 2000), ("Opportunity changes", 31)]
    assert "What was stored" in page.content.decode()
    assert "2,036" in admin_client.get(reverse("admin:segmentation_importrun_changelist")).content.decode()

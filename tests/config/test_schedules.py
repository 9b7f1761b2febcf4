import pytest
from django_q.models import Schedule

from config import schedules
from config.schedules import Planned, Synced

pytestmark = pytest.mark.django_db

REAL = (Planned("Clear sessions", "os.getcwd", minutes=5),)


@pytest.fixture(autouse=True)
def _no_rows():
    Schedule.objects.all().delete()


def rows() -> list[tuple[object, ...]]:
    return list(Schedule.objects.order_by("name").values_list("name", "func", "schedule_type", "minutes", "repeats"))


def test_the_table_is_written_and_writing_it_again_changes_nothing():
    assert schedules.sync(REAL) == Synced(["Clear sessions"], [], [], [])
    assert rows() == [("Clear sessions", "os.getcwd", "I", 5, -1)]
    assert schedules.sync(REAL) == Synced([], [], [], [])


def test_cadence_and_off_stay_as_the_admin_set_them():
    schedules.sync(REAL)
    Schedule.objects.update(schedule_type=Schedule.DAILY, repeats=0)
    assert schedules.sync(REAL) == Synced([], [], [], [])
    assert rows() == [("Clear sessions", "os.getcwd", "D", 5, 0)]


def test_a_function_changed_in_the_row_is_put_back():
    schedules.sync(REAL)
    Schedule.objects.update(func="os.abort", args="1", hook="os.abort")
    assert schedules.sync(REAL).mended == ["Clear sessions"]
    assert list(Schedule.objects.values_list("func", "args", "hook")) == [("os.getcwd", None, None)]


def test_a_row_that_is_not_in_the_table_is_removed():
    Schedule.objects.create(name="evil", func="os.abort")
    Schedule.objects.create(name=None, func="os.abort")
    assert sorted(schedules.sync(REAL).removed) == ["evil", "os.abort"]
    assert rows() == [("Clear sessions", "os.getcwd", "I", 5, -1)]


def test_of_two_rows_with_one_name_one_stays():
    schedules.sync(REAL)
    Schedule.objects.create(name="Clear sessions", func="os.getcwd", schedule_type="I", minutes=1)
    schedules.sync(REAL)
    assert rows() == [("Clear sessions", "os.getcwd", "I", 5, -1)]


@pytest.mark.parametrize(
    "broken", [{"schedule_type": "C", "cron": "no cron"}, {"schedule_type": "O"}, {"next_run": None}]
)
def test_a_cadence_that_would_stop_all_schedules_goes_back(broken):
    schedules.sync(REAL)
    Schedule.objects.update(**broken)
    assert schedules.sync(REAL).mended == ["Clear sessions"]
    assert rows() == [("Clear sessions", "os.getcwd", "I", 5, -1)]
    assert Schedule.objects.get().next_run is not None


def test_a_function_that_cannot_be_imported_is_skipped_with_a_warning(caplog):
    planned = (Planned("Gone", "journey.no_such_module.f", minutes=1), *REAL)
    assert schedules.sync(planned) == Synced(["Clear sessions"], [], [], ["Gone"])
    assert "Gone is skipped" in caplog.text


def test_the_project_s_own_table_names_each_schedule_once():
    names = [entry.name for entry in schedules.PLANNED]
    assert len(names) == len(set(names))

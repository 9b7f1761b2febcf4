from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JourneyConfig(AppConfig):
    name = "journey"
    verbose_name = _("Account journey")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        import journey.engine.kinds  # noqa: F401 - registers the kinds
        from journey.engine.lists import use_lists
        from journey.models import CrmStage, Journey, Stage
        from segmentation.services.jobs import register_job

        register_job("replay", "journey.tasks.replay_job")
        register_job("assess", "journey.tasks.assess_job")
        use_lists(
            crm_stages=lambda: {name: name for name in CrmStage.objects.values_list("name", flat=True)},
            journeys=lambda: dict(Journey.objects.values_list("key", "name")),
            journey_stages=lambda: {
                f"{journey}/{stage}": name
                for journey, stage, name in Stage.objects.filter(version__state="published")
                .order_by("version__number")
                .values_list("version__journey__key", "key", "name")
            },
        )
